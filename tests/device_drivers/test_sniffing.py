"""Which driver a serial line belongs to, by its bytes alone."""

import random

import pytest

from device_drivers.driver import Transport
from device_drivers.registry import DRIVERS
from device_drivers.sniffing import Sniffer, settings_to_try
from tests.device_drivers.families import family

STREAMS = family.streams()
ON_A_LINE = sorted(key for key in STREAMS.keys() & DRIVERS.keys() if DRIVERS[key].transport is Transport.SERIAL)


def heard(key: str, data: bytes) -> list[str]:
    settings = DRIVERS[key].serial
    assert settings is not None
    sniffer = Sniffer(settings)
    for at in range(0, len(data), 100):
        sniffer.receive_data(data[at : at + 100])
    return [evidence.driver for evidence in sniffer.evidence]


def messages(key: str, count: int = 8) -> bytes:
    return b"".join(STREAMS[key].unit(90 + place) for place in range(count))


@pytest.mark.parametrize("key", ON_A_LINE)
def test_a_device_that_speaks_is_known_also_from_the_middle_on(key: str):
    assert key in heard(key, messages(key))
    assert key in heard(key, messages(key)[3:])


@pytest.mark.parametrize("seed", range(20))
def test_noise_is_no_device(seed: int):
    noise = random.Random(seed).randbytes(4000)
    assert [found for settings in settings_to_try() for found in _of(settings, noise)] == []


def _of(settings, data: bytes) -> list[str]:
    sniffer = Sniffer(settings)
    sniffer.receive_data(data)
    return [evidence.driver for evidence in sniffer.evidence]


def test_silence_is_no_device():
    assert [found for settings in settings_to_try() for found in _of(settings, b"")] == []


def test_where_two_formats_fit_both_are_said():
    """Berry's and the old Contec's five bytes are the same; their lines are set differently, so that only a line tells."""
    for key in ON_A_LINE:
        found = heard(key, messages(key))
        assert found[0] == key or len(found) > 1


def test_every_setting_of_a_line_is_tried_once():
    settings = settings_to_try()
    assert len(set(settings)) == len(settings)
    assert {DRIVERS[key].serial for key in ON_A_LINE} <= set(settings)
