"""Samples, gathered for one answer, and their text. Only this module imports prometheus_client."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.process_collector import ProcessCollector

from hub.metrics.table import METRICS, Kind


class Buckets(msgspec.Struct, frozen=True, kw_only=True):
    """A histogram: how many observations were at most each bound (cumulative; the last bound is `+Inf`), and their sum."""

    counts: Sequence[tuple[str, float]]
    sum: float


class Samples:
    """Values under the names and labels of the table. Raises KeyError for a metric that the table does not have."""

    def __init__(self) -> None:
        self._values: dict[str, dict[tuple[str, ...], float]] = {}
        self._buckets: dict[str, Buckets] = {}

    def set(self, name: str, value: float, *labels: str) -> None:
        if len(METRICS[name].labels) != len(labels):
            raise ValueError(f"{name} has the labels {METRICS[name].labels}")
        self._values.setdefault(name, {})[labels] = float(value)

    def set_all(self, name: str, values: Mapping[str, float]) -> None:
        """A metric of one label, by its values."""
        for label, value in values.items():
            self.set(name, value, label)

    def set_buckets(self, name: str, buckets: Buckets) -> None:
        self._buckets[METRICS[name].name] = buckets

    def collect(self) -> Iterable[Metric]:
        """As prometheus_client asks for them: in the order of the table."""
        for metric in METRICS.values():
            if metric.kind is Kind.HISTOGRAM:
                if (buckets := self._buckets.get(metric.name)) is not None:
                    yield HistogramMetricFamily(metric.name, metric.help, buckets.counts, buckets.sum)
            elif (values := self._values.get(metric.name)) is not None:
                family = _FAMILIES[metric.kind](metric.name, metric.help, labels=metric.labels)
                for labels, value in values.items():
                    family.add_metric(labels, value)
                yield family

    def text(self, accept: str) -> tuple[bytes, str]:
        """The exposition that a scraper asks for by its Accept header, with the process's own figures; and its media type."""
        registry = CollectorRegistry()
        registry.register(self)
        ProcessCollector(registry=registry)
        encode, media_type = choose_encoder(accept)
        return encode(registry), media_type


_FAMILIES: Final = {Kind.COUNTER: CounterMetricFamily, Kind.GAUGE: GaugeMetricFamily}
