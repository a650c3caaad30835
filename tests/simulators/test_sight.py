"""What the devices at a bed find there."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec
import pytest

from device_drivers.registry import DRIVERS
from simulators.models.model import Body
from simulators.models.registry import MODELS
from simulators.recording import Charted, Recording
from simulators.replay import Replay
from simulators.sight import NO_FINGER, THE_RECORDING, Seen, Sight
from tests.device_drivers.conversation import Conversation

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
ROWS = (
    Charted(position_seconds=0, systolic=120, diastolic=20, mean=60, heart_rate=70),
    Charted(position_seconds=600, spo2=97, temperature=Decimal("36.8")),
)
LEAST = Seen(spo2=1, pulse_rate=1, systolic=25, diastolic=25, mean=25, temperature=20, weight=1, glucose=10)
MOST = Seen(spo2=100, pulse_rate=250, systolic=250, diastolic=250, mean=250, temperature=45, weight=200, glucose=600)
NOTHING = Seen(**dict.fromkeys(Seen.__struct_fields__))


@pytest.fixture
def sight() -> Sight:
    return Sight(Replay(recording=Recording(stay="1", rows=ROWS), started=NOON, speed=60))


def test_it_is_what_was_charted_last(sight: Sight):
    begins, later = sight(NOON), sight(NOON + timedelta(seconds=10))
    assert (begins.spo2, begins.perfusion_index, begins.temperature) == (None, None, None)
    assert (later.spo2, later.pulse_rate, later.systolic, later.temperature) == (97, 70, 120, Decimal("36.8"))


def test_a_pressure_that_no_cuff_finds_is_none(sight: Sight):
    assert (sight(NOON).diastolic, sight(NOON).mean) == (None, 60)


def test_what_a_tester_sets_takes_the_place_of_the_recordings_until_it_is_taken_back(sight: Sight):
    sight.force(Seen(spo2=84, temperature=38.44))
    found = sight(NOON)
    assert (found.spo2, found.temperature, found.pulse_rate) == (84, Decimal("38.4"), 70)
    sight.force(NO_FINGER)
    assert (sight(NOON).spo2, sight(NOON).pulse_rate, sight(NOON).systolic) == (None, None, 120)
    sight.force(THE_RECORDING)
    assert sight(NOON).pulse_rate == 70


@pytest.mark.parametrize("numbers", [{"spo2": 101}, {"systolic": 24}, {"temperature": "warm"}, {"spo": 97}])
def test_what_no_device_has_bytes_for_is_refused(numbers: dict):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(numbers, Seen)


@pytest.mark.parametrize("seen", [LEAST, MOST, NOTHING, NO_FINGER, THE_RECORDING], ids=lambda seen: repr(seen)[:20])
@pytest.mark.parametrize("key", sorted(MODELS))
def test_every_model_has_bytes_for_what_can_be_found(sight: Sight, key: str, seen: Seen):
    """Else one device would end the whole ward."""
    sight.force(seen)
    looked: list[Body] = []

    def look(at: datetime) -> Body:
        looked.append(sight(at))
        return looked[-1]

    Conversation(driver=DRIVERS[key], model=MODELS[key](look), now=NOON).run(seconds=20)
    assert looked
