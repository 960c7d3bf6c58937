"""One series of a metric: the updates of every worker of its model since the backend got the last one."""

from __future__ import annotations

from typing import NamedTuple

from pytriton_plugins.host.metrics.updates import Values
from pytriton_plugins.model.metric_rules import Kind, Labels, bucket_of, kept_in_bucket
from pytriton_plugins.shm.wire import COUNTER, GAUGE, HISTOGRAM, MetricEntry

_CODES = {"counter": COUNTER, "gauge": GAUGE, "histogram": HISTOGRAM}


class Family(NamedTuple):
    """The common part of all series of one name; ``owner`` declared it first, for the log."""

    kind: Kind
    name: str
    help: str
    buckets: tuple[float, ...]
    owner: str


class Aggregate:
    """The common part of the three kinds. ``labels`` are those on the port."""

    has_more = False
    """The last `take` did not return everything."""

    def __init__(self, family: Family, labels: Labels) -> None:
        self._family = family
        self._labels = labels

    def add(self, source: int, values: Values) -> None:
        """Add the values of the worker ``source``."""
        raise NotImplementedError

    def forget(self, source: int) -> bool:
        """The worker ``source`` is gone; returns whether that changes anything."""
        return False

    def take(self, room: int) -> MetricEntry:
        """The entry for the backend, with ``room`` observations at most; it starts the next one."""
        family = self._family
        code = _CODES[family.kind]
        return MetricEntry(code, family.name, family.help, self._labels, self._taken(room), family.buckets)

    def _taken(self, room: int) -> Values:
        raise NotImplementedError


class CounterAggregate(Aggregate):
    """The sum of all increments."""

    _sum = 0.0

    def add(self, source: int, values: Values) -> None:
        self._sum += sum(value for value, _ in values)

    def _taken(self, room: int) -> Values:
        taken, self._sum = self._sum, 0.0
        return ((taken, 1),)


class GaugeAggregate(Aggregate):
    """The sum of the values of each live worker."""

    def __init__(self, family: Family, labels: Labels) -> None:
        super().__init__(family, labels)
        self._shown: dict[int, float] = {}

    def add(self, source: int, values: Values) -> None:
        self._shown[source] = values[-1][0]

    def forget(self, source: int) -> bool:
        return self._shown.pop(source, None) is not None

    def _taken(self, room: int) -> Values:
        return ((sum(self._shown.values()), 1),)


class HistogramAggregate(Aggregate):
    """For each bucket the number of values, and their mean."""

    def __init__(self, family: Family, labels: Labels) -> None:
        super().__init__(family, labels)
        self._counts = [0] * (len(family.buckets) + 1)
        self._means = [0.0] * (len(family.buckets) + 1)

    def add(self, source: int, values: Values) -> None:
        for value, count in values:
            bucket = bucket_of(self._family.buckets, value)
            total = self._counts[bucket] + count
            # Weighted, not summed and divided: a worker's values cannot overflow a sum.
            self._means[bucket] = self._means[bucket] * (self._counts[bucket] / total) + value * (count / total)
            self._counts[bucket] = total

    def _taken(self, room: int) -> Values:
        taken = []
        for bucket, count in enumerate(self._counts):
            now = min(count, room)
            if now:
                taken.append((kept_in_bucket(self._family.buckets, bucket, self._means[bucket]), now))
                self._counts[bucket] -= now
                room -= now
        self.has_more = any(self._counts)
        return tuple(taken)


AGGREGATES: dict[Kind, type[Aggregate]] = {
    "counter": CounterAggregate,
    "gauge": GaugeAggregate,
    "histogram": HistogramAggregate,
}
