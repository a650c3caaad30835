"""The oracle itself: it must find every loss and every repeat, or no fault test means anything."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.ledger import Gap, Ledger, Made, Recorded, compare, read

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
CUFF = {"systolic": 150.0, "diastolic": 95.0}


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def made(entry: int, seconds: float, numbers: dict[str, float] | None = None, device_id: str = "BP-101") -> Made:
    return Made(entry=entry, device_id=device_id, at=at(seconds), numbers=CUFF if numbers is None else numbers)


def recorded(seconds: float, numbers: dict[str, float] | None = None, device_id: str = "BP-101") -> Recorded:
    return Recorded(device_id=device_id, measured=at(seconds), numbers=CUFF if numbers is None else numbers)


def test_what_was_written_is_read(tmp_path: Path):
    ledger = Ledger(tmp_path / "ledger.jsonl")
    first = ledger.made("BP-101", NOON, CUFF)
    second = ledger.made("TH-101", at(1), {"temperature": 37.2})
    ledger.heard(first, at(2))
    ledger.close()
    assert read(tmp_path / "ledger.jsonl") == (
        [made(first, 0), Made(entry=second, device_id="TH-101", at=at(1), numbers={"temperature": 37.2})],
        {first: at(2)},
    )


@pytest.mark.parametrize("cut", ["", '{"type":"made","entry":2,"dev'])
def test_a_ledger_that_exists_is_continued_with_new_numbers(tmp_path: Path, cut: str):
    path = tmp_path / "ledger.jsonl"
    for _ in range(2):
        ledger = Ledger(path)
        entry = ledger.made("BP-101", NOON, CUFF)
        ledger.close()
        with path.open("a") as file:
            file.write(cut)
    assert entry == 2
    assert [line.entry for line in read(path)[0]] == [1, 2]


def test_all_there_once():
    verdict = compare([made(1, 0), made(2, 60)], {1: at(1), 2: at(61)}, [recorded(1), recorded(61)])
    assert (verdict.delivered, verdict.duplicates, verdict.lost, verdict.unheard) == (2, (), (), 0)


def test_a_heard_measurement_that_is_not_recorded_is_lost():
    verdict = compare([made(1, 0)], {1: at(1)}, [])
    assert verdict.lost == (made(1, 0),)


def test_one_of_two_equal_measurements_is_missed():
    entries = [made(1, 0), made(2, 600)]
    assert compare(entries, {1: at(0), 2: at(600)}, [recorded(600)]).lost == (entries[0],)


def test_of_equal_measurements_the_one_is_missed_that_was_not_recorded_when_it_was_said():
    entries = [made(entry, entry) for entry in range(5)]
    heard = {entry.entry: entry.at for entry in entries}
    assert compare(entries, heard, [recorded(0), recorded(1), recorded(3), recorded(4)]).lost == (entries[2],)


def test_a_reading_recorded_twice_is_a_duplicate():
    assert compare([made(1, 0)], {1: at(1)}, [recorded(1), recorded(1)]).duplicates == (recorded(1),)


def test_a_duplicate_does_not_hide_a_loss():
    entries = [made(1, 0), made(2, 600)]
    verdict = compare(entries, {1: at(0), 2: at(600)}, [recorded(0), recorded(0)])
    assert (verdict.lost, verdict.duplicates) == ((entries[1],), (recorded(0),))


def test_a_reading_that_no_device_made_is_a_duplicate_of_nothing_and_counted():
    odd = recorded(0, {"systolic": 1.0})
    assert compare([made(1, 0)], {1: at(0)}, [recorded(0), odd]).duplicates == (odd,)


def test_what_nobody_heard_is_not_lost():
    verdict = compare([made(1, 0)], {}, [])
    assert (verdict.lost, verdict.unheard) == ((), 1)


def test_what_is_recorded_though_never_confirmed_is_delivered():
    """A link lost between the commit and the confirmation."""
    verdict = compare([made(1, 0)], {}, [recorded(1)])
    assert (verdict.delivered, verdict.unheard) == (1, 0)


def test_a_reading_is_counted_for_what_was_heard_before_what_was_not():
    entries = [made(1, 0), made(2, 1), made(3, 2)]
    verdict = compare(entries, {2: at(1), 3: at(2)}, [recorded(1), recorded(2)])
    assert (verdict.delivered, verdict.lost, verdict.unheard) == (2, (), 1)


def test_a_loss_in_a_declared_gap_is_declared():
    entries = [made(1, 10), made(2, 100)]
    gap = Gap(since=at(0), until=at(20))
    verdict = compare(entries, {1: at(10), 2: at(100)}, [], [gap])
    assert (verdict.declared_gaps, verdict.lost) == (1, (entries[1],))


def test_what_was_kept_is_lost_when_it_was_said_not_when_it_was_made():
    """A cuff says after a gap's beginning what it measured before."""
    gap = Gap(since=at(20), until=at(30))
    assert compare([made(1, 10)], {1: at(25)}, [], [gap]).lost == ()
    assert compare([made(1, 25)], {1: at(40)}, [], [gap]).lost


def test_a_gap_of_one_device_declares_nothing_for_another():
    gap = Gap(since=at(0), until=at(20), device_id="TH-101")
    assert compare([made(1, 10)], {1: at(10)}, [], [gap]).lost


def test_devices_without_entries_are_not_judged():
    assert compare([made(1, 0)], {1: at(0)}, [recorded(0), recorded(0, device_id="OX-101")]).duplicates == ()


@given(kept=st.lists(st.integers(0, 2), min_size=1, max_size=40), equal=st.booleans(), late=st.floats(0, 80))
def test_losses_and_repeats_are_counted_exactly(kept: list[int], equal: bool, late: float):
    """Entry i is recorded kept[i] times; entries lie two minutes apart, so that no window reaches the next."""
    entries = [made(i, 120 * i, CUFF if equal else {"systolic": float(i)}) for i in range(len(kept))]
    rows = [recorded(120 * i + late, entries[i].numbers) for i, times in enumerate(kept) for _ in range(times)]
    verdict = compare(entries, {entry.entry: entry.at for entry in entries}, rows)
    assert len(verdict.lost) == kept.count(0)
    assert len(verdict.duplicates) == kept.count(2)
    assert verdict.delivered == len(kept) - kept.count(0)
