"""What counts as the newest, whatever order it comes in and whatever a gateway's clock does."""

from datetime import UTC, datetime, timedelta

from hub.ingest.newest import Newest, Place

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def place(sequence: int, epoch: str = "e1") -> Place:
    return Place(epoch=epoch, sequence=sequence)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def test_what_is_older_than_what_was_taken_is_not_the_newest():
    newest = Newest()
    assert newest.takes("key", ago(10), now=NOW)
    assert not newest.takes("key", ago(11), now=NOW)
    assert newest.takes("key", ago(10), now=NOW)
    assert newest.takes("other", ago(11), now=NOW)


def test_a_clock_that_is_set_back_makes_nothing_late_that_follows_in_its_outbox():
    newest = Newest()
    assert newest.takes("key", NOW, now=NOW, place=place(1))
    assert newest.takes("key", ago(3600), now=NOW, place=place(2))
    assert newest.takes("key", ago(3599), now=NOW, place=place(3))


def test_the_backlog_of_an_earlier_epoch_is_overtaken():
    newest = Newest()
    assert newest.takes("key", ago(1), now=NOW, place=place(1, "e2"))
    assert not newest.takes("key", ago(60), now=NOW, place=place(500, "e1"))


def test_the_backlog_of_the_same_epoch_is_overtaken():
    newest = Newest()
    assert newest.takes("key", ago(1), now=NOW, place=place(500))
    assert not newest.takes("key", ago(60), now=NOW, place=place(10))


def test_a_time_in_the_hubs_future_overtakes_nothing():
    """Else one reading of a gateway whose clock ran 45 days ahead would silence its device for 45 days."""
    newest = Newest()
    assert newest.takes("key", NOW + timedelta(days=45), now=NOW, place=place(1))
    assert newest.takes("key", NOW, now=NOW, place=place(1, "e2"))


def test_what_the_record_has_counts_where_nothing_was_taken_yet():
    newest = Newest()
    assert not newest.takes("key", ago(60), now=NOW, place=place(1), recorded=ago(30))
    assert newest.takes("key", ago(10), now=NOW, place=place(2), recorded=ago(30))
