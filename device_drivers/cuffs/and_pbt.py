"""A&D devices of the PBT series (UA-767PBT cuff, UC-321PBT scale, UC-411PBT-C body-composition scale): Bluetooth classic, Serial Port Profile.

Sources: com.cking BluetoothServer4And with one whole frame of a UC-411PBT-C; Seneca's CDOT wiki, "Phonegap Healthcare Adapter Bluetooth Spec" (header). The device
connects to the host, which is named PWAccessP; to us it is the serial port that rfcomm makes of the connection. It sends a header of 60 bytes and a payload of text,
for each measurement that the host has not accepted yet, and waits for `PWA1` (accepted: the device forgets it) or `PWA0`. The header says when the measurement was made and,
by the same clock, when it is sent: that is how far the device's clock is off. A body-composition scale may first ask for its user's height and age (`PWRQPI`);
that is a setting, and not answered.

A reading keeps the header's first 16 bytes (up to the time of measurement) and the payload: what stays the same when the device sends the measurement again.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from dataclasses import fields as fields_in
from datetime import datetime, timedelta
from functools import partial
from struct import Struct
from types import MappingProxyType
from typing import Final, Self, TypeAlias

from device_drivers.clocks import offset_of, place
from device_drivers.cuffs.and_pbt_payloads import BloodPressure, Weighing
from device_drivers.date_time import DateTime
from device_drivers.driver import Driver, SerialSettings, Transport, Verified
from device_drivers.errors import Malformed, Truncated, Undecodable
from device_drivers.fields import Json, fields_of, message_from
from device_drivers.format import AnyFormat, Format, Parts
from device_drivers.packing import of_length, pack, text
from device_drivers.sessions import Command, Deliver, ReportRefused, SendBytes, SessionContext
from device_drivers.stream_session import StreamSession
from vitals.identifiers import DeviceKey, DeviceType
from vitals.parameters import Parameter, Vital
from vitals.readings import RAW_LIMIT, Reading

ACCEPTED: Final = b"PWA1"
REFUSED: Final = b"PWA0"
ANSWERED_AFTER: Final = timedelta(seconds=0.25)
"""So long the one program that reads scales lets them wait for an answer; cuffs it answers at once."""
CUFF: Final = 767
SCALE: Final = 321
BODY_SCALE: Final = 407
HEADER_LENGTH: Final = 60
_HEADER: Final = Struct("<HIHB7s7s6s6s12s10sBxB")
_DATA: Final = 2
_KEPT: Final = 16
_CAPABILITY: Final = b"PWCAPI"
_REQUEST: Final = b"PWRQPI"
_REQUEST_LENGTH: Final = 9
_LONGEST_PAYLOAD: Final = 255
_PAYLOADS: Final[Mapping[int, type[BloodPressure | Weighing]]] = MappingProxyType(
    {CUFF: BloodPressure, SCALE: Weighing, BODY_SCALE: Weighing}
)
_SIZES: Final = MappingProxyType(
    {CUFF: range(10, 11), SCALE: range(14, 15), BODY_SCALE: range(14, _LONGEST_PAYLOAD + 1)}
)
_DEVICES: Final = MappingProxyType({CUFF: "cuff", SCALE: "scale", BODY_SCALE: "body-composition scale"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigurationRequest:
    """A body-composition scale asks for its user's height, age and sex; three characters say which user's."""

    configuration_request: str

    def __bytes__(self) -> bytes:
        """Encode. Raises ValueError for other than three characters."""
        return _REQUEST + text(self.configuration_request, _REQUEST_LENGTH - len(_REQUEST))


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One measurement with its header, in the device's words. `prefix` came before the header; `peer` is for the host's address, and often something else.
    `battery` and `firmware` are as sent."""

    device_type: int
    measured: DateTime
    transmitted: DateTime
    bdaddr: str
    serial: str
    payload: BloodPressure | Weighing
    flag: int = 0
    peer: bytes = bytes(6)
    reserved: bytes = bytes(10)
    battery: int = 0
    firmware: int = 0
    prefix: str | None = None

    @classmethod
    def from_packet(cls, packet: bytes, *, prefix: str | None) -> Self:
        """Decode a header and its payload; what follows is ignored. Raises Truncated, Malformed."""
        if len(packet) < HEADER_LENGTH:
            raise Truncated(HEADER_LENGTH, len(packet))
        kind, size, device, flag, measured, sent, address, peer, serial, reserved, battery, firmware = (
            _HEADER.unpack_from(packet)
        )
        if kind != _DATA:
            raise Malformed("not_data")
        if device not in _PAYLOADS:
            raise Malformed("unknown_device")
        if size not in _SIZES[device]:
            raise Malformed("unknown_length")
        if len(packet) < HEADER_LENGTH + size:
            raise Truncated(HEADER_LENGTH + size, len(packet))
        return cls(
            device_type=device,
            measured=DateTime.from_bytes(measured),
            transmitted=DateTime.from_bytes(sent),
            bdaddr=address[::-1].hex(":").upper(),
            serial=_printable(serial.rstrip(b"\0 ")),
            payload=_PAYLOADS[device].from_bytes(packet[HEADER_LENGTH : HEADER_LENGTH + size]),
            flag=flag,
            peer=peer,
            reserved=reserved,
            battery=battery,
            firmware=firmware,
            prefix=prefix,
        )

    def __bytes__(self) -> bytes:
        """Encode. Raises ValueError for what has no room, and for a payload of another device."""
        payload = bytes(self.payload)
        if type(self.payload) is not _PAYLOADS.get(self.device_type) or len(payload) not in _SIZES[self.device_type]:
            raise ValueError(f"a device {self.device_type} does not send this")
        header = pack(
            _HEADER,
            *(_DATA, len(payload), self.device_type, self.flag),
            *(bytes(self.measured), bytes(self.transmitted)),
            of_length(bytes.fromhex(self.bdaddr.replace(":", "")), 6)[::-1],
            of_length(self.peer, 6),
            text(self.serial, 12),
            of_length(self.reserved, 10),
            *(self.battery, self.firmware),
        )
        return (self.prefix or "").encode("ascii") + header + payload

    def reading(
        self,
        device: DeviceKey,
        *,
        raw: bytes,
        measured: datetime,
        received: datetime,
        stored: bool,
        time_uncertain: bool,
    ) -> Reading:
        """The reading; a measurement that failed has no numbers."""
        payload = self.payload
        return Reading(
            data_type=Vital.BLOOD_PRESSURE if isinstance(payload, BloodPressure) else Vital.WEIGHT,
            device=device,
            values=payload.values(),
            measured=measured,
            received=received,
            raw=raw[:RAW_LIMIT],
            device_time=self.measured.moment,
            time_uncertain=time_uncertain,
            stored=stored,
            user=payload.user if isinstance(payload, Weighing) else None,
        )


Frame: TypeAlias = Measurement | ConfigurationRequest


def _printable(data: bytes) -> str:
    """ASCII without control characters. Raises Malformed."""
    if not all(0x20 <= byte < 0x7F for byte in data):
        raise Malformed("not_text")
    return data.decode("ascii")


def _prefix_length(data: bytes) -> int:
    """How many bytes stand before a header."""
    if data.startswith(_CAPABILITY):
        return len(_CAPABILITY)
    return _REQUEST_LENGTH if data.startswith(_REQUEST) else 0


def decode(data: bytes) -> Frame:
    """A measurement, with or without what may stand before it, or a request alone. Raises Truncated, Malformed."""
    length = _prefix_length(data)
    if len(data) < length:
        raise Truncated(length, len(data))
    prefix = _printable(data[:length].rstrip(b"\0")) or None
    if data.startswith(_REQUEST) and data[length : length + 2] != _DATA.to_bytes(2, "little"):
        return ConfigurationRequest(configuration_request=_printable(data[len(_REQUEST) : length]))
    return Measurement.from_packet(data[length:], prefix=prefix)


def fields(frame: Frame) -> dict[str, Json]:
    """The header's fields and the payload's, side by side."""
    found = fields_of(frame)
    payload = found.pop("payload", {})
    return {**found, **payload} if isinstance(payload, dict) else found


def frame_from(said: Mapping[str, Json]) -> Frame:
    """The frame that these fields say. Raises ValueError, which names the field."""
    if "configuration_request" in said:
        return message_from(ConfigurationRequest, said)
    own = {field.name for field in fields_in(Measurement)} - {"payload"}
    header = {name: value for name, value in said.items() if name in own}
    payload = {name: value for name, value in said.items() if name not in own}
    kind = BloodPressure if said.get("device_type") == CUFF else Weighing
    return message_from(Measurement, {**header, "payload": fields_of(message_from(kind, payload))})


def measure(buffer: bytearray, at: int) -> int | None:
    """The length of the frame that begins at `at`; see `Measure`."""
    if buffer[at] == _DATA:
        return _measure_packet(buffer, at)
    word = bytes(buffer[at : at + len(_CAPABILITY)])
    if len(word) < len(_CAPABILITY):
        return None if _CAPABILITY.startswith(word) or _REQUEST.startswith(word) else 0
    if word == _REQUEST:
        return _REQUEST_LENGTH if len(buffer) - at >= _REQUEST_LENGTH else None
    if word != _CAPABILITY:
        return 0
    length = _measure_packet(buffer, at + len(word))
    return length + len(word) if length else length


def _measure_packet(buffer: bytearray, at: int) -> int | None:
    """A header of data, a length of one byte, and what a known device sends; of an unknown one any length, so that it is answered."""
    start = bytes(buffer[at : at + 8])
    wanted = zip(start, (_DATA, 0, None, 0, 0, 0), strict=False)
    if any(byte != right for byte, right in wanted if right is not None):
        return 0
    if len(start) < 8:
        return None
    size, device = start[2], int.from_bytes(start[6:8], "little")
    if size not in _SIZES.get(device, range(1, _LONGEST_PAYLOAD + 1)):
        return 0
    length = HEADER_LENGTH + size
    return length if len(buffer) - at >= length else None


class Session(StreamSession):
    """One connection with one of `devices`. What is delivered is in the outbox before the device is told to forget it."""

    def __init__(self, context: SessionContext, devices: frozenset[int]) -> None:
        super().__init__(context, measure)
        self._devices = devices
        self._owed: list[tuple[datetime, bytes]] = []

    def frame(self, at: datetime, data: bytes) -> Iterator[Command]:
        try:
            found = decode(data)
        except Undecodable as refusal:
            return self._refuse(at, refusal.reason, data)
        if isinstance(found, ConfigurationRequest):
            return iter(())
        if found.device_type not in self._devices:
            return self._refuse(at, "another_device", data)
        return self._accept(at, found, data[_prefix_length(data) :])

    def tick(self, at: datetime) -> Iterator[Command]:
        due = [answer for when, answer in self._owed if when <= at]
        self._owed = [(when, answer) for when, answer in self._owed if when > at]
        return (SendBytes(data=answer) for answer in due)

    def _refuse(self, at: datetime, reason: str, data: bytes) -> Iterator[Command]:
        yield ReportRefused(at=at, reason=reason, discarded=len(data))
        yield from self._answer(at, REFUSED)

    def _accept(self, at: datetime, found: Measurement, packet: bytes) -> Iterator[Command]:
        offset = offset_of(found.transmitted, at)
        placed = place(found.measured, at=at, zone=self.context.zone, offset=offset)
        reading = found.reading(
            self.context.device,
            raw=packet[:_KEPT] + packet[HEADER_LENGTH:],
            measured=placed.measured,
            received=at,
            stored=placed.stored,
            time_uncertain=placed.uncertain,
        )
        yield Deliver(readings=(reading,))
        yield from self._answer(at, ACCEPTED)

    def _answer(self, at: datetime, answer: bytes) -> Iterator[Command]:
        if CUFF in self._devices:
            yield SendBytes(data=answer)
        else:
            self._owed.append((at + ANSWERED_AFTER, answer))


def _describe(data: bytes) -> Parts:
    frame, parts = decode(data), Parts(data)
    length = _prefix_length(data)
    if isinstance(frame, ConfigurationRequest):
        parts.add(length, "configuration_request", "the scale asks for its user's height and age")
        parts.rest()
        return parts
    parts.add(length, "prefix", frame.prefix)
    size = int.from_bytes(data[length + 2 : length + 6], "little")
    _describe_header(frame, size, parts)
    if isinstance(frame.payload, BloodPressure):
        frame.payload.describe(parts)
    else:
        Weighing.describe(data[length + HEADER_LENGTH : length + HEADER_LENGTH + size], parts)
    parts.rest()
    return parts


def _describe_header(frame: Measurement, size: int, parts: Parts) -> None:
    parts.add(2, "type", "2: data")
    parts.add(4, "length", f"{size} bytes follow the header")
    parts.add(2, "device_type", f"{frame.device_type}: {_DEVICES[frame.device_type]}")
    parts.add(1, "flag", frame.flag)
    parts.add(7, "measured", f"{frame.measured} by the device's clock")
    parts.add(7, "transmitted", f"{frame.transmitted} by the device's clock: now")
    parts.add(6, "bdaddr", f"{frame.bdaddr}, the device's address, sent backwards")
    parts.add(6, "peer", "for the host's address")
    parts.add(12, "serial", frame.serial or "none")
    parts.add(10, "reserved", ascii(frame.reserved.rstrip(b"\0").decode("latin-1")))
    parts.add(1, "battery", f"{frame.battery}, in a measure of A&D's")
    parts.add(1, "reserved 2", "unused")
    parts.add(1, "firmware", f"revision {frame.firmware:02X}")


def _describe_payload(data: bytes) -> Parts:
    parts = Parts(data)
    BloodPressure.from_bytes(data).describe(parts)
    parts.rest()
    return parts


_SOURCE: Final = "com.cking BluetoothServer4And; Seneca CDOT wiki, Phonegap Healthcare Adapter Bluetooth Spec"
FORMATS: Final[tuple[AnyFormat, ...]] = (
    Format(
        key="and-pbt",
        title="A&D PBT series, measurement with its header",
        source=_SOURCE,
        message=Measurement,
        decode=decode,
        encode=bytes,
        describe=_describe,
        measure=measure,
        fields=fields,
        from_fields=frame_from,
    ),
    Format(
        key="and-pbt-payload",
        title="A&D PBT series, a cuff's ten digits",
        source=_SOURCE,
        message=BloodPressure,
        decode=BloodPressure.from_bytes,
        encode=bytes,
        describe=_describe_payload,
    ),
)
_MISSING: Final = "what the battery's byte means; whose measurement it is"
DRIVERS: Final[tuple[Driver, ...]] = (
    Driver(
        key="and-pbt",
        title="A&D UA-767PBT cuff (Bluetooth classic, through rfcomm)",
        device_type=DeviceType.BLOOD_PRESSURE_MONITOR,
        transport=Transport.SERIAL,
        serial=SerialSettings(baud=9600),
        formats=("and-pbt", "and-pbt-payload"),
        measures=(Parameter.SYSTOLIC, Parameter.DIASTOLIC, Parameter.MEAN, Parameter.CUFF_PULSE_RATE),
        session=partial(Session, devices=frozenset({CUFF})),
        verified=(Verified.CAPTURE, Verified.SECOND_SOURCE),
        sleeps=True,
        missing=_MISSING,
    ),
    Driver(
        key="and-pbt-scale",
        title="A&D UC-321PBT and UC-411PBT-C scales (Bluetooth classic, through rfcomm)",
        device_type=DeviceType.WEIGHT_SCALE,
        transport=Transport.SERIAL,
        serial=SerialSettings(baud=9600),
        formats=("and-pbt",),
        measures=(Parameter.WEIGHT,),
        session=partial(Session, devices=frozenset({SCALE, BODY_SCALE})),
        verified=(Verified.CAPTURE, Verified.SECOND_SOURCE),
        sleeps=True,
        missing=f"{_MISSING}; fat, muscle and water are decoded and no readings; setting a user's height and age",
    ),
)
