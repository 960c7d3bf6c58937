"""One metric of an author with one set of labels, and its changes since the last message to the daemon."""

from __future__ import annotations

import threading
from typing import Any, NamedTuple, Protocol

from pytriton_plugins.model.metric_rules import PREFIX, Kind, Labels, bucket_of, is_number, kept_in_bucket

Changes = list[tuple[float, int]]
"""Values, and how many times each is added, set or observed."""


class Family(NamedTuple):
    """The properties that all series of one name share."""

    kind: Kind
    name: str
    help: str
    buckets: tuple[float, ...]
    unprefixed: bool = False
    """Whether its name on the metrics port has no prefix."""

    @property
    def on_port(self) -> str:
        return self.name if self.unprefixed else PREFIX + self.name


class SeriesOwner(Protocol):
    """The registry of a series; ``lock`` guards its numbers."""

    lock: threading.Lock

    def schedule(self, series: Series) -> None:
        """Have the changes of ``series`` sent soon; with the lock held."""


class Series:
    """The base of the three kinds."""

    def __init__(self, owner: SeriesOwner, family: Family, labels: Labels) -> None:
        self._owner = owner
        self.family = family
        self._labels = labels
        self.is_scheduled = False
        """Whether its changes wait to be sent."""

    def take(self) -> dict[str, Any]:
        """The message about its changes, which are forgotten here; with the owner's lock held."""
        self.is_scheduled = False
        kind, name, help, buckets, unprefixed = self.family
        message = {"kind": kind, "name": name, "help": help, "buckets": buckets, "labels": dict(self._labels)}
        return {**message, "changes": self._take_changes(), **({"unprefixed": True} if unprefixed else {})}

    def _take_changes(self) -> Changes:
        raise NotImplementedError

    def _number(self, call: str, value: float) -> float:
        """The value as a plain number; raises TypeError or ValueError."""
        try:
            number = float(value) if type(value) in (int, float) else value.__float__()
        except (AttributeError, TypeError):
            raise TypeError(self._wrong(call, type(value).__name__, f"write a number, such as {call}(1.5)")) from None
        except OverflowError:
            number = float("inf")
        if not is_number(number):
            raise ValueError(self._wrong(call, str(number), "write a finite number"))
        return number

    def _wrong(self, call: str, value: str, remedy: str) -> str:
        return f"{self.family.kind} {self.family.name}: {call}({value}): {remedy}"


class Counter(Series):
    """Counts events; it never decreases."""

    _sum = 0.0

    def inc(self, by: float = 1) -> None:
        """Add ``by``, 0 or more. Raises TypeError or ValueError for another value."""
        by = self._number("inc", by)
        if by < 0:
            raise ValueError(self._wrong("inc", str(by), "write a number of at least 0, or use a gauge"))
        with self._owner.lock:
            self._sum += by
            self._owner.schedule(self)

    def _take_changes(self) -> Changes:
        total, self._sum = self._sum, 0.0
        return [(total, 1)]


class Gauge(Series):
    """Shows a current value; the values of a model's workers are added up."""

    _value = 0.0

    def set(self, value: float) -> None:
        """Show ``value``. Raises TypeError or ValueError unless it is a finite number."""
        value = self._number("set", value)
        with self._owner.lock:
            self._value = value
            self._owner.schedule(self)

    def inc(self, by: float = 1) -> None:
        """Show ``by`` more, or less if it is negative; raises as `set` does."""
        by = self._number("inc", by)
        with self._owner.lock:
            self._value += by
            self._owner.schedule(self)

    def _take_changes(self) -> Changes:
        return [(self._value, 1)]


class Histogram(Series):
    """Shows how many of the observed values are below each of its bounds."""

    def __init__(self, owner: SeriesOwner, family: Family, labels: Labels) -> None:
        super().__init__(owner, family, labels)
        self._reset()

    def observe(self, value: float) -> None:
        """Count ``value`` in its bucket. Raises TypeError or ValueError unless it is a finite number."""
        value = self._number("observe", value)
        bucket = bucket_of(self.family.buckets, value)
        with self._owner.lock:
            self._counts[bucket] += 1
            self._sums[bucket] += value
            self._owner.schedule(self)

    def _take_changes(self) -> Changes:
        """For each bucket the mean of its values and their count: counts and sum stay right in a short message."""
        means = [
            (kept_in_bucket(self.family.buckets, bucket, total / count), count)
            for bucket, (total, count) in enumerate(zip(self._sums, self._counts, strict=True))
            if count
        ]
        self._reset()
        return means

    def _reset(self) -> None:
        self._counts = [0] * (len(self.family.buckets) + 1)
        self._sums = [0.0] * (len(self.family.buckets) + 1)
