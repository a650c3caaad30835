"""Identifiers: opaque strings that fit a topic level, a room name, a file name and a URL path as they are."""

import re
from enum import StrEnum, unique
from typing import Annotated, Final, TypeAlias

import msgspec

from vitals.errors import InvalidIdentifier

PATTERN: Final = r"^[A-Za-z0-9_.-]{1,64}\Z"
_MATCH = re.compile(PATTERN).match
_Identifier: TypeAlias = Annotated[str, msgspec.Meta(pattern=PATTERN)]

HospitalId: TypeAlias = _Identifier
WardId: TypeAlias = _Identifier
BedId: TypeAlias = _Identifier
PatientId: TypeAlias = _Identifier
GatewayId: TypeAlias = _Identifier  # globally unique, and the gateway's user name at the broker
DeviceId: TypeAlias = _Identifier
OutboxEpoch: TypeAlias = _Identifier  # one life of an agent: random, never reused
Sequence: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]  # position in an outbox epoch, from 1

SYSTEM: Final[HospitalId] = "system"
"""Counts as a hospital, with a publication sequence and an owner of its own; no hospital may be registered under it."""


@unique
class DeviceType(StrEnum):
    """What a device is; with its id it names the device."""

    BLOOD_PRESSURE_MONITOR = "blood_pressure_monitor"
    PULSE_OXIMETER = "pulse_oximeter"
    THERMOMETER = "thermometer"
    HEART_RATE_MONITOR = "heart_rate_monitor"
    WEIGHT_SCALE = "weight_scale"
    GLUCOSE_METER = "glucose_meter"


class DeviceKey(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """A device's whole name."""

    device_type: DeviceType
    device_id: DeviceId

    def __str__(self) -> str:
        return f"{self.device_type}:{self.device_id}"


def identifier(what: str, text: str) -> str:
    """`text`, when it is an identifier. Raises InvalidIdentifier, which names `what`."""
    if not _MATCH(text):
        raise InvalidIdentifier(what, text)
    return text
