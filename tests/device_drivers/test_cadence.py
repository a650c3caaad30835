"""Which of a second's frames becomes its reading."""

from device_drivers.cadence import Cadence
from tests.device_drivers.samples import after


def test_the_first_frame_of_a_second_decides_it():
    cadence = Cadence()
    decided = [tenth / 10 for tenth in range(31) if cadence.decides(after(tenth / 10), "well")]
    assert decided == [0, 1, 2, 3]


def test_a_change_is_delivered_at_once_and_so_is_its_end():
    cadence = Cadence()
    states = ["well", "well", "searching", "searching", "well", "well"]
    assert [cadence.decides(after(place / 10), state) for place, state in enumerate(states)] == [
        *(True, False),
        *(True, False),
        *(True, False),
    ]


def test_a_clock_that_is_set_back_silences_nothing():
    cadence = Cadence()
    assert cadence.decides(after(3600), "well")
    assert [cadence.decides(after(tenth / 10), "well") for tenth in range(11)] == [True, *[False] * 9, True]


def test_a_pause_does_not_shift_what_is_late():
    cadence = Cadence()
    assert [cadence.decides(after(seconds), "well") for seconds in (0, 1.4, 2.0, 9, 9.5, 10)] == [
        *(True, True, True),
        *(True, False, True),
    ]
