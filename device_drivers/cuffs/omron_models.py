"""Where each model of Omron's Bluetooth cuffs keeps its records and its clock, and how it is unlocked.

Source: the device files of userx14/omblepy (all but HEM-7142T2, there as HEM-7140T, and HEM-7146T, there as HEM-7144T2); eigger/hass-omron,
device_catalog.py, which agrees with them and has the names of the variants. Clocks: hass-omron, tests/test_eeprom_time.py (captured) and issue 38 for
the HEM-6232T, omblepy issue 4 for the HEM-7361T. A variant that is not listed may have another map, as the newer HEM-7155T has: it is refused.
"""

from dataclasses import dataclass
from enum import Enum, unique
from types import MappingProxyType
from typing import Final

from device_drivers.cuffs.omron_frames import FROM_CUFF, TO_CUFF
from device_drivers.cuffs.omron_records import RECORD_LENGTH, HighFirst, HighFirstShortYear, LowFirst, Record
from device_drivers.date_time import DateTime

_LONG_SLOT: Final = 16
_EPOCH: Final = 2000


@unique
class Unlock(Enum):
    """What a cuff wants to hear before it reads its memory to anybody."""

    KEY = "key"  # the 16 bytes that were written into it when it was paired
    TOKEN = "token"  # noqa: S105 - any four bytes, which it says back
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """Six bytes at `address`: year, month, day, hour, minute, second; with the bytes of each pair exchanged where `high_first`."""

    address: int
    high_first: bool = False

    SIZE = 6

    def time(self, data: bytes) -> DateTime:
        """What the clock says; without a moment where it is not set."""
        year, month, day, hour, minute, second = self._exchanged(data)
        return DateTime(year=_EPOCH + year, month=month, day=day, hour=hour, minute=minute, second=second)

    def encoded(self, time: DateTime) -> bytes:
        """The inverse of `time`."""
        parts = (time.year - _EPOCH, time.month, time.day, time.hour, time.minute, time.second)
        return self._exchanged(bytes(parts))

    def _exchanged(self, data: bytes) -> bytes:
        if not self.high_first:
            return data
        return bytes(data[place ^ 1] for place in range(self.SIZE))


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A memory map. `starts`: where the slots of each user begin. `block`: so many bytes may be asked for at once."""

    name: str
    starts: tuple[int, ...]
    slots: int
    record: type[Record] = LowFirst
    slot_length: int = RECORD_LENGTH
    block: int = 42
    channels: int = len(FROM_CUFF)
    unlock: Unlock = Unlock.KEY
    clock: Clock | None = None
    variants: tuple[str, ...] = ()

    @property
    def from_cuff(self) -> tuple[str, ...]:
        """The characteristics over which frames come."""
        return FROM_CUFF[: self.channels]

    @property
    def to_cuff(self) -> tuple[str, ...]:
        """The characteristics to which frames are written."""
        return TO_CUFF[: self.channels]

    def reads(self) -> list[tuple[int, int, int]]:
        """Whole slots at a time: address, size, and the user's number from 1."""
        at_once = max(1, self.block // self.slot_length)
        return [
            (start + slot * self.slot_length, min(at_once, self.slots - slot) * self.slot_length, user)
            for user, start in enumerate(self.starts, 1)
            for slot in range(0, self.slots, at_once)
        ]


def _variants(stem: str, *endings: str) -> tuple[str, ...]:
    return tuple(stem + ending for ending in endings)


_OLD_CLOCK: Final = Clock(address=0x0276, high_first=True)
_CLOCK_AT_0044: Final = Clock(address=0x0044)
_CLOCK_AT_0294: Final = Clock(address=0x0294)

_ALL: Final = (
    Model(
        name="HEM-7322T",
        record=HighFirst,
        starts=(0x02AC, 0x0824),
        slots=100,
        clock=_OLD_CLOCK,
        variants=(*_variants("HEM-7322T", "-D", "-E"), *_variants("HEM-7280T", "-AP", "-D", "-E")),
    ),
    Model(
        name="HEM-7600T",
        record=HighFirst,
        starts=(0x02AC,),
        slots=100,
        clock=_OLD_CLOCK,
        variants=_variants("HEM-7600T", "-E", "-Z", "_W", "_W-Z"),
    ),
    Model(
        name="HEM-6232T",
        record=HighFirstShortYear,
        starts=(0x02E8, 0x0860),
        slots=100,
        clock=Clock(address=0x0294, high_first=True),
        variants=_variants("HEM-6232T", "-AP", "-D", "-E", "-Z"),
    ),
    Model(
        name="HEM-7530T",
        record=HighFirstShortYear,
        starts=(0x02E8,),
        slots=90,
        block=RECORD_LENGTH,
        variants=_variants("HEM-7530T", "-Z", "_AP3", "_E3", "_J3"),
    ),
    Model(
        name="HEM-7150T",
        starts=(0x0098,),
        slots=60,
        clock=_CLOCK_AT_0044,
        variants=_variants("HEM-7150T", "-CA", "-Z"),
        slot_length=_LONG_SLOT,
        block=_LONG_SLOT,
    ),
    Model(
        name="HEM-7155T",
        starts=(0x0098, 0x0458),
        slots=60,
        clock=_CLOCK_AT_0044,
        variants=_variants("HEM-7155T", "-ALRU", "-D", "-EBK", "-EBL", "_AP", "_ESL"),
        slot_length=_LONG_SLOT,
        block=_LONG_SLOT,
    ),
    Model(
        name="HEM-7342T",
        starts=(0x0098, 0x06D8),
        slots=100,
        clock=_CLOCK_AT_0044,
        variants=_variants("HEM-7342T", "-CA", "-Z"),
        slot_length=_LONG_SLOT,
        block=_LONG_SLOT,
    ),
    Model(
        name="HEM-7361T",
        starts=(0x0098, 0x06D8),
        slots=100,
        clock=_CLOCK_AT_0044,
        variants=_variants("HEM-7361T", "-ALRU", "-AP", "-D", "-EBK", "_ESL"),
        slot_length=_LONG_SLOT,
        block=_LONG_SLOT,
    ),
    Model(
        name="HEM-7380T1",
        starts=(0x01C4, 0x0804),
        slots=100,
        unlock=Unlock.TOKEN,
        clock=_CLOCK_AT_0044,
        variants=("HEM-7380T", *_variants("HEM-7380T1", "-EBK", "-EOSL")),
        slot_length=_LONG_SLOT,
        block=_LONG_SLOT,
        channels=1,
    ),
    Model(
        name="HEM-7142T2",
        starts=(0x02E8,),
        slots=14,
        unlock=Unlock.TOKEN,
        clock=_CLOCK_AT_0294,
        variants=(*_variants("HEM-7142T2", "-AP", "-Z", "-ZAZ", "_JAZ"), "HEM-7140T1-AP", "HEM-7141T1-AP"),
        channels=1,
    ),
    Model(
        name="HEM-7146T",
        starts=(0x02E8,),
        slots=30,
        unlock=Unlock.NOTHING,
        clock=_CLOCK_AT_0294,
        variants=("HEM-7146T2", *_variants("HEM-7146T2", "-EBK", "-ESL"), *_variants("HEM-7144T2", "-BR", "-LA")),
        channels=1,
    ),
)
MODELS: Final = MappingProxyType({name: model for model in _ALL for name in (model.name, *model.variants)})
"""By the name of the model or of a variant with the same map."""
NAMES: Final = tuple(model.name for model in _ALL)
