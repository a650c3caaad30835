"""What ingest refused, counted by gateway and reason, and said once."""

import pytest

from hub.ingest import counters
from hub.ingest.counters import OTHERS, Counters


def test_a_refusal_is_counted_each_time_and_logged_once(caplog: pytest.LogCaptureFixture):
    counted = Counters()
    for _ in range(3):
        counted.refuse("gw-1", "malformed")
    counted.refuse("gw-2", "malformed")
    assert counted.refused_from == {"gw-1": {"malformed": 3}, "gw-2": {"malformed": 1}}
    assert counted.refused == {"malformed": 4}
    assert [record.args for record in caplog.records] == [("gw-1", "malformed"), ("gw-2", "malformed")]


def test_invented_names_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(counters, "MAX_GATEWAYS", 2)
    counted = Counters()
    for name in ("a", "b", "c", "d", "a"):
        counted.refuse(name, "malformed")
    assert counted.refused_from == {"a": {"malformed": 2}, "b": {"malformed": 1}, OTHERS: {"malformed": 2}}
