"""What a hub sends over its WebSocket, as far as a screen needs it.

Decoding is tolerant, so that an older screen works with a newer hub: unknown members and unknown kinds of message are passed over.
Text loses control and format characters here, once for all: a message must not steer a terminal.
"""

import unicodedata
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Annotated, Any, Final, TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

from vitals.parameters import Vital

Number: TypeAlias = Decimal | None
Instant: TypeAlias = Annotated[datetime, msgspec.Meta(tz=True)]


class InvalidMessage(ValueError):
    """A text that no hub of ours sends; the message holds nothing of it."""


class Pressure(msgspec.Struct, frozen=True, kw_only=True):
    """mmHg."""

    systolic: Number
    diastolic: Number
    mean: Number = None


class Worth(msgspec.Struct, frozen=True, kw_only=True):
    """What a vital is worth: `valid`, `questionable` or `missing`, and why."""

    status: str = "valid"
    reasons: tuple[str, ...] = ()


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """The place in a recording from which a simulated device took a value; `speed` is recorded seconds a second."""

    recording: str
    position_seconds: float
    speed: float


class Vitals(msgspec.Struct, frozen=True, kw_only=True):
    """`data` of `patient.vitals.update`: each vital that is there under its own name."""

    patient_id: str
    timestamp: Instant
    device_id: str | None = None
    device_type: str | None = None
    blood_pressure: Pressure | UnsetType | None = UNSET
    heart_rate: Number | UnsetType = UNSET
    pulse_rate: Number | UnsetType = UNSET
    temperature: Number | UnsetType = UNSET
    spo2: Number | UnsetType = UNSET
    respiratory_rate: Number | UnsetType = UNSET
    perfusion_index: Number | UnsetType = UNSET
    weight: Number | UnsetType = UNSET
    glucose: Number | UnsetType = UNSET
    quality: dict[str, Worth] = {}
    measured: dict[str, Instant] = {}
    replayed: Replayed | None = None


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """`data` of `patient.alert` and `device.alert`; `repeat` counts the alerts of one episode."""

    alert_type: str
    severity: str
    message: str
    episode_id: str
    timestamp: Instant
    kind: str = "physiological"
    repeat: int = 1
    data: dict[str, Any] = {}
    patient_id: str | None = None
    device_type: str | None = None
    device_id: str | None = None


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """`data` of hospital and system events."""

    message: str
    severity: str = "info"


class DeviceStatus(msgspec.Struct, frozen=True, kw_only=True):
    device_type: str
    device_id: str
    status: str
    faults: tuple[str, ...] = ()
    battery: int | None = None


class DeviceLink(msgspec.Struct, frozen=True, kw_only=True):
    device_type: str
    device_id: str
    reason: str | None = None


class Movement(msgspec.Struct, frozen=True, kw_only=True):
    """An admission or a discharge."""

    patient_id: str
    ward_id: str
    bed: str


Told: TypeAlias = Vitals | Alert | Notice | DeviceStatus | DeviceLink | Movement


class Position(msgspec.Struct, frozen=True, kw_only=True):
    epoch: str
    offset: int


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One event in one room; `data` is None for events that a screen does not show."""

    event: str
    event_id: str
    room: str
    position: Position
    at: datetime
    data: Told | None
    test: bool = False
    late: bool = False


class Subscribed(msgspec.Struct, frozen=True, kw_only=True):
    """The answer for one room. `missing`: messages of it are gone for good."""

    room: str
    status: str
    position: Position | None = None
    recovered: bool = False
    missing: bool = False
    reason: str | None = None


class Pong(msgspec.Struct, frozen=True, kw_only=True):
    """`time` is the hub's clock, `upstream` the road behind it: `ok`, `redis_lost`, `ingest_lost`."""

    time: Instant
    upstream: str


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """An `error`; `room` where it is about one."""

    code: str
    message: str
    room: str | None = None


Message: TypeAlias = Event | Subscribed | Pong | Refusal

DATA: Final[Mapping[str, type[Told]]] = MappingProxyType(
    {
        "patient.vitals.update": Vitals,
        "patient.alert": Alert,
        "device.alert": Alert,
        "patient.admission": Movement,
        "patient.discharge": Movement,
        "device.status.change": DeviceStatus,
        "device.connected": DeviceLink,
        "device.disconnected": DeviceLink,
        "hospital.alert": Notice,
        "hospital.emergency": Notice,
        "system.alert": Notice,
        "system.maintenance": Notice,
        "system.update": Notice,
    }
)
_decode: Final = msgspec.json.Decoder(float_hook=Decimal).decode
_FORBIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})


def decode_message(text: str | bytes) -> Message | None:
    """What a text says; None for what a screen has no use for (`ping`, kinds that it does not know). Raises InvalidMessage."""
    try:
        return message_of(_decode(text))
    except (msgspec.MsgspecError, ArithmeticError, ValueError, RecursionError) as error:
        raise InvalidMessage("a message can't be read") from error


def message_of(document: Any) -> Message | None:  # noqa: ANN401 - any JSON
    """The same of JSON that is decoded already. Raises InvalidMessage."""
    fields = cleaned(document)
    try:
        if "event" in fields:
            return _event(fields)
        match fields["type"]:
            case "subscription":
                return _subscribed(fields)
            case "pong":
                return msgspec.convert(fields, Pong)
            case "error":
                return msgspec.convert(fields, Refusal)
    except (msgspec.ValidationError, KeyError, TypeError, ArithmeticError, ValueError) as error:
        raise InvalidMessage("a message can't be read") from error
    return None


def cleaned(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """JSON whose texts hold no character that steers a terminal or turns the direction of writing."""
    if isinstance(value, str):
        return value if value.isascii() and value.isprintable() else _printable(value)
    if isinstance(value, dict):
        return {cleaned(key): cleaned(member) for key, member in value.items()}
    if isinstance(value, list):
        return [cleaned(member) for member in value]
    return value


def _printable(text: str) -> str:
    return "".join(character for character in text if unicodedata.category(character) not in _FORBIDDEN)


def _event(fields: dict[str, Any]) -> Event:
    kind = DATA.get(fields["event"])
    return Event(
        event=fields["event"],
        event_id=fields["event_id"],
        room=fields["room"],
        position=msgspec.convert(fields, Position),
        at=msgspec.convert(fields["timestamp"], Instant),
        data=None if kind is None else msgspec.convert(fields["data"], kind),
        test=bool(fields.get("test")),
        late=bool(fields.get("late")),
    )


def _subscribed(fields: dict[str, Any]) -> Subscribed:
    return Subscribed(
        room=fields["room"],
        status=fields["status"],
        position=msgspec.convert(fields, Position) if "epoch" in fields else None,
        recovered=bool(fields.get("recovered")),
        missing="missing" in fields,
        reason=fields.get("reason"),
    )


class Sign(msgspec.Struct, frozen=True, kw_only=True):
    """The newest statement about one vital of one patient: a number, or that it is missing and why."""

    patient_id: str
    vital: Vital
    number: Number | Pressure
    worth: Worth
    measured: datetime
    device_type: str | None = None
    device_id: str | None = None
    replayed: Replayed | None = None

    @property
    def is_missing(self) -> bool:
        """Whether there is no number at all."""
        if isinstance(self.number, Pressure):
            return self.number.systolic is None and self.number.diastolic is None
        return self.number is None


def signs_of(data: Vitals) -> tuple[Sign, ...]:
    """What one message says, vital by vital."""
    return tuple(
        Sign(
            patient_id=data.patient_id,
            vital=vital,
            number=number,
            worth=data.quality.get(vital, Worth()),
            measured=data.measured.get(vital, data.timestamp),
            device_type=data.device_type,
            device_id=data.device_id,
            replayed=data.replayed,
        )
        for vital in Vital
        if (number := getattr(data, vital)) is not UNSET
    )
