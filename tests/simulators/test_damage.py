"""Damage to bytes."""

from random import Random

import pytest

from simulators.damage import Fault, spoiled

SAID = bytes(range(19))


@pytest.mark.parametrize("fault", Fault)
def test_every_fault_changes_what_is_said(fault: Fault):
    assert spoiled(SAID, fault, Random(1)) != SAID


@pytest.mark.parametrize("fault", Fault)
def test_a_seed_makes_the_same_damage(fault: Fault):
    assert spoiled(SAID, fault, Random(7)) == spoiled(SAID, fault, Random(7))


def test_truncated_is_shorter_and_oversized_is_longer_than_any_value():
    assert len(spoiled(SAID, Fault.TRUNCATED, Random(1))) < len(SAID)
    assert len(spoiled(SAID, Fault.OVERSIZED, Random(1))) > 512
