"""The numbers of all processes together, in the text format that Prometheus reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from turnout.meters.exchange import Snapshot
from turnout.meters.meter import Gauge, Histogram, Labels, Meter, Numbers

CONTENT_TYPE = "text/plain; version=0.0.4"


class _Together(Collector):
    def __init__(self, meters: Sequence[Meter], snapshots: Sequence[Snapshot]) -> None:
        self._meters = meters
        self._snapshots = snapshots

    def collect(self) -> Iterator[Metric]:
        for meter in self._meters:
            taken = [numbers for each in self._snapshots for numbers in each.get(meter.name, ())]
            yield _family(meter, _merged(meter, taken))


def text(meters: Sequence[Meter], snapshots: Sequence[Snapshot]) -> bytes:
    """What `snapshots` say about `meters`; a meter nobody used yet has its help and no number."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Together(meters, snapshots))
    return generate_latest(registry)


def _merged(meter: Meter, taken: Iterable[tuple[Labels, Numbers]]) -> dict[Labels, Numbers]:
    together: dict[Labels, list[Numbers]] = {}
    for labels, numbers in taken:
        if len(labels) == len(meter.labels):  # what another version wrote may differ
            together.setdefault(labels, []).append(numbers)
    return {labels: meter.merged(numbers) for labels, numbers in sorted(together.items())}


def _family(meter: Meter, numbers: dict[Labels, Numbers]) -> Metric:
    if isinstance(meter, Histogram):
        histogram = HistogramMetricFamily(meter.name, meter.sentence)
        for total_s, *counts in numbers.values():
            histogram.add_metric([], _cumulative(meter.bounds, counts), total_s)
        return histogram
    kind = GaugeMetricFamily if isinstance(meter, Gauge) else CounterMetricFamily
    family = kind(meter.name, meter.sentence, labels=meter.labels)
    for labels, (value, *_) in numbers.items():
        family.add_metric(labels, value)
    return family


def _cumulative(bounds: Sequence[float], counts: Sequence[float]) -> list[tuple[str, float]]:
    """Prometheus counts in each bucket what is in the smaller ones too."""
    so_far = 0.0
    buckets = []
    for bound, count in zip([*map(floatToGoString, bounds), "+Inf"], counts, strict=True):
        so_far += count
        buckets.append((bound, so_far))
    return buckets
