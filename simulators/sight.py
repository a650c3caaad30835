"""What the devices at a bed find there: what the recording has, or what a tester has set in its place."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from types import MappingProxyType
from typing import Annotated, Any, Final, TypeAlias

import msgspec

from simulators.models.model import Body
from simulators.replay import Replay

LEAST_PRESSURE: Final = 25
"""mmHg. A cuff finds none that is lower, and some have no bytes for it."""
_Percent: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=100)]
_Rate: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=250)]
_Pressure: TypeAlias = Annotated[int, msgspec.Meta(ge=LEAST_PRESSURE, le=250)]
_Temperature: TypeAlias = Annotated[float, msgspec.Meta(ge=20, le=45)]
_Weight: TypeAlias = Annotated[float, msgspec.Meta(ge=1, le=200)]
_Glucose: TypeAlias = Annotated[int, msgspec.Meta(ge=10, le=600)]
_TENTHS: Final = frozenset({"temperature", "weight"})


class Seen(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Numbers that a tester sets: those that every simulated device has bytes for, fractions to a tenth. None: the device finds nothing."""

    spo2: _Percent | msgspec.UnsetType | None = msgspec.UNSET
    pulse_rate: _Rate | msgspec.UnsetType | None = msgspec.UNSET
    systolic: _Pressure | msgspec.UnsetType | None = msgspec.UNSET
    diastolic: _Pressure | msgspec.UnsetType | None = msgspec.UNSET
    mean: _Pressure | msgspec.UnsetType | None = msgspec.UNSET
    temperature: _Temperature | msgspec.UnsetType | None = msgspec.UNSET
    weight: _Weight | msgspec.UnsetType | None = msgspec.UNSET
    glucose: _Glucose | msgspec.UnsetType | None = msgspec.UNSET


THE_RECORDING: Final = Seen()
NO_FINGER: Final = Seen(spo2=None, pulse_rate=None)


class Sight:
    """What one device finds: a `Look`. Weight and glucose are in no recording: they are those of `Body`."""

    def __init__(self, replay: Replay) -> None:
        self._replay = replay
        self._recorded = lru_cache(maxsize=1)(self._charted)  # a device looks many times at one moment
        self._forced: Mapping[str, Any] = MappingProxyType({})

    def force(self, seen: Seen) -> None:
        """From now on these, and the recording's for all others."""
        set_ones = ((name, getattr(seen, name)) for name in Seen.__struct_fields__)
        self._forced = MappingProxyType(
            {name: _found(name, number) for name, number in set_ones if number is not msgspec.UNSET}
        )

    def __call__(self, at: datetime) -> Body:
        found = replace(self._recorded(at), **self._forced)
        return found if found.spo2 is not None else replace(found, perfusion_index=None)

    def _charted(self, at: datetime) -> Body:
        row = self._replay.last_charted("temperature", self._replay.place(at))
        latest = self._replay.latest
        return Body(
            spo2=latest("spo2", at),
            pulse_rate=latest("heart_rate", at),
            systolic=_pressure(latest("systolic", at)),
            diastolic=_pressure(latest("diastolic", at)),
            mean=_pressure(latest("mean", at)),
            temperature=None if row is None else row.temperature,
        )


def _pressure(charted: int | None) -> int | None:
    return None if charted is None or charted < LEAST_PRESSURE else charted


def _found(name: str, number: float | None) -> float | Decimal | None:
    return number if number is None or name not in _TENTHS else round(Decimal(str(number)), 1)
