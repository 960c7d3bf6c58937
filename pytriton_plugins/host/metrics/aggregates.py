"""What one series has gathered since the backend was told, from every worker of its model; runs in the host."""

from __future__ import annotations

from typing import NamedTuple

from pytriton_plugins.host.metrics.updates import Values
from pytriton_plugins.model.metric_rules import Kind, Labels, bucket_of, kept_in_bucket
from pytriton_plugins.shm.wire import COUNTER, GAUGE, HISTOGRAM, MetricEntry

_CODES = {"counter": COUNTER, "gauge": GAUGE, "histogram": HISTOGRAM}


class Family(NamedTuple):
    """What all series of one name have in common; ``whose`` came first with it, for the log."""

    kind: Kind
    name: str
    help: str
    buckets: tuple[float, ...]
    whose: str


class Sum:
    """What the three kinds have in common. ``labels`` are those on the port."""

    left = False
    """There is more to tell than the last `take` gave."""

    def __init__(self, family: Family, labels: Labels) -> None:
        self._family = family
        self._labels = labels

    def add(self, source: int, values: Values) -> None:
        """Take in what the worker ``source`` has gathered."""
        raise NotImplementedError

    def forget(self, source: int) -> bool:
        """The worker ``source`` is gone; whether that changes anything."""
        return False

    def take(self, room: int) -> MetricEntry:
        """What the backend is to be told now, with ``room`` observations at most."""
        family = self._family
        code = _CODES[family.kind]
        return MetricEntry(code, family.name, family.help, self._labels, self._taken(room), family.buckets)

    def _taken(self, room: int) -> Values:
        raise NotImplementedError


class CounterSum(Sum):
    """What was counted."""

    _sum = 0.0

    def add(self, source: int, values: Values) -> None:
        self._sum += sum(value for value, _ in values)

    def _taken(self, room: int) -> Values:
        taken, self._sum = self._sum, 0.0
        return ((taken, 1),)


class GaugeSum(Sum):
    """The sum of what each live worker shows."""

    def __init__(self, family: Family, labels: Labels) -> None:
        super().__init__(family, labels)
        self._shown: dict[int, float] = {}

    def add(self, source: int, values: Values) -> None:
        self._shown[source] = values[-1][0]

    def forget(self, source: int) -> bool:
        return self._shown.pop(source, None) is not None

    def _taken(self, room: int) -> Values:
        return ((sum(self._shown.values()), 1),)


class HistogramSum(Sum):
    """For each bucket how many values fell into it, and their mean."""

    def __init__(self, family: Family, labels: Labels) -> None:
        super().__init__(family, labels)
        self._counts = [0] * (len(family.buckets) + 1)
        self._means = [0.0] * (len(family.buckets) + 1)

    def add(self, source: int, values: Values) -> None:
        for value, count in values:
            bucket = bucket_of(self._family.buckets, value)
            total = self._counts[bucket] + count
            # Weighed, not summed and divided: no sum of what a worker says can be too large for a number.
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
        self.left = any(self._counts)
        return tuple(taken)


SUMS: dict[Kind, type[Sum]] = {"counter": CounterSum, "gauge": GaugeSum, "histogram": HistogramSum}
