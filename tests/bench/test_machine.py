"""CPU time of a process, by its own clock and as ps says it."""

import os
import time

import pytest

from bench.machine import cpu_seconds, seconds_of


@pytest.mark.parametrize(
    ("said", "seconds"),
    [("0:01.50\n", 1.5), ("  12:34.56", 754.56), ("01:00:07", 3607), ("2-03:00:00", 183_600)],
)
def test_ps_times_are_read(said, seconds):
    assert seconds_of(said) == pytest.approx(seconds)


def test_the_clock_of_a_process_is_its_cpu_time():
    before, ours = cpu_seconds(os.getpid()), time.process_time()
    while time.process_time() - ours < 0.05:
        pass
    assert cpu_seconds(os.getpid()) - before == pytest.approx(0.05, abs=0.04)
