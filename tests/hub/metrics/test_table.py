"""The table of metrics keeps Prometheus's conventions, and everything that names a metric names one of it."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hub.metrics.lag import BOUNDS, DeliveryLag
from hub.metrics.samples import Samples
from hub.metrics.table import METRICS, Kind
from hub.rooms.messages import Message
from tests.support.waiting import eventually

ROOT = Path(__file__).parents[3]
UNITS = ("_seconds", "_bytes", "_info", "_ok", "_up")
NAMED = re.compile(r"bedside_[a-z_]+")
FORBIDDEN_LABELS = {"user", "patient", "room", "token", "gateway", "hospital", "ward", "device", "client"}


@pytest.mark.parametrize("metric", METRICS.values(), ids=lambda metric: metric.name)
def test_a_metric_keeps_the_conventions(metric):
    assert re.fullmatch(r"bedside(_[a-z]+)+", metric.name)
    assert metric.name.endswith("_total") == (metric.kind is Kind.COUNTER)
    assert metric.help.endswith(".")
    assert not set(metric.labels) & FORBIDDEN_LABELS
    if metric.kind is Kind.HISTOGRAM:
        assert metric.name.endswith(UNITS)


def test_the_alert_rules_name_metrics_that_there_are():
    named = set(NAMED.findall((ROOT / "deploy/prometheus/bedside-alerts.yml").read_text(encoding="utf-8")))
    assert len(named) > 8
    assert {name.removesuffix("_bucket") for name in named} - METRICS.keys() == set()


def test_a_sample_without_a_place_in_the_table_is_a_mistake():
    samples = Samples()
    with pytest.raises(KeyError):
        samples.set("bedside_unheard_of", 1)
    with pytest.raises(ValueError, match="has the labels"):
        samples.set("bedside_connections", 1)


def message(published: datetime) -> Message:
    members = b'"type":"t","event_id":"e","timestamp":"%b"' % published.isoformat().encode()
    return Message(room="r", record_epoch=1, epoch="e", offset=1, n=1, event="t", members=members, data=b"{}")


async def test_the_lag_of_the_first_message_of_a_turn_is_observed():
    noon = datetime(2026, 11, 25, 12, tzinfo=UTC)
    lag = DeliveryLag(lambda: noon)
    for seconds in (0.3, 0.0):  # of one turn
        lag.frame(message(noon - timedelta(seconds=seconds)))
    await eventually(lambda: dict(lag.buckets().counts)["+Inf"] == 1)
    lag.frame(message(noon + timedelta(seconds=5)))  # an owner whose clock is ahead
    await eventually(lambda: dict(lag.buckets().counts)["+Inf"] == 2)
    lag.frame(message(noon - timedelta(seconds=60)))
    await eventually(lambda: dict(lag.buckets().counts)["+Inf"] == 3)
    counts = dict(lag.buckets().counts)
    assert (counts[str(BOUNDS[0])], counts["0.25"], counts["0.5"], counts["10.0"]) == (1, 1, 2, 2)
    assert lag.buckets().sum == pytest.approx(60.3)
