"""Record Access Control Point 0x2A52: asking a device for what it has stored.

Layout by GATT Specification Supplement, Record Access Control Point; Pulse Oximeter Service 1.0.1, 3.4, and Glucose Service 1.0, 3.4, say which
requests their devices know. Requests to delete records are neither made nor read here.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum, unique
from typing import Final, Self

from device_drivers import uuids
from device_drivers.binary import ByteReader
from device_drivers.driver import Driver
from device_drivers.errors import Malformed
from device_drivers.format import AnyFormat, Format, Parts
from device_drivers.packing import pack
from device_drivers.sessions import Command, ReportRefused, WriteValue

NOT_GIVEN: Final = "records_not_given"
"""The device answered neither that it has sent all records nor that it has none, or not at all."""
ANSWER_SECONDS: Final = timedelta(seconds=30)
"""So long after the request, or after the last record, an answer is waited for."""


@unique
class Op(StrEnum):
    """What is asked for or answered."""

    REPORT = "report"
    ABORT = "abort"
    REPORT_COUNT = "report_count"
    COUNT = "count"
    RESPONSE = "response"


_OPCODES: Final = {1: Op.REPORT, 3: Op.ABORT, 4: Op.REPORT_COUNT, 5: Op.COUNT, 6: Op.RESPONSE}
_BY_OP: Final = {op: code for code, op in _OPCODES.items()}


@unique
class Operator(IntEnum):
    """Which records; others are reserved. From `AT_MOST` to `WITHIN` the operand says of what and how much."""

    NULL = 0
    ALL = 1
    AT_MOST = 2
    AT_LEAST = 3
    WITHIN = 4
    FIRST = 5
    LAST = 6


_WITH_OPERAND: Final = (Operator.AT_MOST, Operator.AT_LEAST, Operator.WITHIN)


@unique
class Code(IntEnum):
    """How a request ended; others are reserved or the service's own."""

    SUCCESS = 1
    OPCODE_NOT_SUPPORTED = 2
    INVALID_OPERATOR = 3
    OPERATOR_NOT_SUPPORTED = 4
    INVALID_OPERAND = 5
    NO_RECORDS = 6
    ABORT_FAILED = 7
    NOT_COMPLETED = 8
    OPERAND_NOT_SUPPORTED = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordAccess:
    """One request or answer. `request` (an opcode) and `code` belong to a response, `count` to a count, `operand` to some requests."""

    op: Op
    operator: int = Operator.NULL.value
    operand: bytes | None = None
    request: int | None = None
    code: int | None = None
    count: int | None = None

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode two bytes or more. Raises Truncated; Malformed for an opcode that is not here."""
        fields = ByteReader(data)
        opcode, operator = fields.u8(), fields.u8()
        op = _OPCODES.get(opcode)
        if op is None:
            raise Malformed("opcode_not_read")
        if op is Op.RESPONSE:
            return cls(op=op, operator=operator, request=fields.u8(), code=fields.u8())
        if op is Op.COUNT:
            return cls(op=op, operator=operator, count=fields.u16())
        return cls(op=op, operator=operator, operand=fields.take(fields.rest) if operator in _WITH_OPERAND else None)

    def __bytes__(self) -> bytes:
        """Encode. Raises ValueError for parts that don't belong together or don't fit their bytes."""
        if not self._is_whole:
            raise ValueError(f"these parts don't make a {self.op}: {self}")
        head = bytes((_BY_OP[self.op], self.operator))
        if self.count is not None:
            return head + pack(_COUNT, self.count)
        if self.request is not None and self.code is not None:
            return head + bytes((self.request, self.code))
        return head + (self.operand or b"")

    @property
    def _is_whole(self) -> bool:
        """Whether those parts are given that `op` has, and no others."""
        answers, counts = self.op is Op.RESPONSE, self.op is Op.COUNT
        asks = not (answers or counts) and self.operator in _WITH_OPERAND
        given = [part is not None for part in (self.operand, self.request, self.code, self.count)]
        return given == [asks, answers, answers, counts]


_COUNT: Final = struct.Struct("<H")
REPORT_ALL: Final = bytes(RecordAccess(op=Op.REPORT, operator=Operator.ALL))
ABORT: Final = bytes(RecordAccess(op=Op.ABORT))


class StoredRecords:
    """One connection's asking for all stored records. They stay on the device: the hub knows those that it has.

    `ask` once indications are enabled; tell it of each record that comes (`came`), of answers and of time. Where neither comes for `ANSWER_SECONDS`
    the device is asked to stop.
    """

    def __init__(self) -> None:
        self._waiting_since: datetime | None = None

    def ask(self, at: datetime) -> WriteValue:
        """The request."""
        self._waiting_since = at
        return _write(REPORT_ALL)

    def came(self, at: datetime) -> None:
        """A record has come; more may follow."""
        if self._waiting_since is not None:
            self._waiting_since = at

    def answered(self, at: datetime, data: bytes) -> Iterator[Command]:
        """What an indication of the control point brings. Raises Undecodable."""
        answer = RecordAccess.from_bytes(data)
        if answer.op is not Op.RESPONSE or answer.request != _BY_OP[Op.REPORT]:
            return
        self._waiting_since = None
        if answer.code not in (Code.SUCCESS, Code.NO_RECORDS):
            yield _not_given(at)

    def refused(self, at: datetime, command: Command) -> Iterator[Command]:
        """A command could not be carried out: nothing is waited for if it was the request."""
        if command == _write(REPORT_ALL) and self._waiting_since is not None:
            self._waiting_since = None
            yield _not_given(at)

    def tick(self, at: datetime) -> Iterator[Command]:
        """Stop waiting where nothing comes."""
        if self._waiting_since is None or at - self._waiting_since < ANSWER_SECONDS:
            return
        self._waiting_since = None
        yield _not_given(at)
        yield _write(ABORT)


def _write(data: bytes) -> WriteValue:
    return WriteValue(characteristic=uuids.RECORD_ACCESS_CONTROL_POINT, data=data)


def _not_given(at: datetime) -> ReportRefused:
    return ReportRefused(at=at, reason=NOT_GIVEN, discarded=0)


def _describe(data: bytes) -> Parts:
    value, parts = RecordAccess.from_bytes(data), Parts(data)
    parts.add(1, "op", value.op.replace("_", " "))
    parts.add(1, "operator", _in_words(Operator, value.operator))
    if value.op is Op.RESPONSE:
        parts.add(1, "request", f"to {_OPCODES.get(data[2], data[2])}")
        parts.add(1, "code", _in_words(Code, data[3]))
    if value.count is not None:
        parts.add(2, "count", f"{value.count} records")
    if value.operand is not None:
        parts.rest("operand", value.operand.hex(" "))
    parts.rest()
    return parts


def _in_words(kind: type[IntEnum], code: int) -> str:
    known = {member.value: member.name.lower().replace("_", " ") for member in kind}
    return known.get(code, f"reserved ({code})")


FORMATS: Final[tuple[AnyFormat, ...]] = (
    Format(
        key="2A52",
        title="Record Access Control Point",
        source="Bluetooth GATT Specification Supplement, Record Access Control Point; Pulse Oximeter Service 1.0.1, 3.4",
        message=RecordAccess,
        decode=RecordAccess.from_bytes,
        encode=bytes,
        describe=_describe,
    ),
)
DRIVERS: Final[tuple[Driver, ...]] = ()
