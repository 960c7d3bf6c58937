"""One metric of an author with one set of labels, and what it has gathered since the host was told; in the worker."""

from __future__ import annotations

import threading
from typing import Any, NamedTuple, Protocol

from pytriton_plugins.model.metric_rules import PREFIX, Kind, Labels, bucket_of, is_number, kept_in_bucket

Changes = list[tuple[float, int]]
"""Values, and how often each is added, set or observed."""


class Family(NamedTuple):
    """What all series of one name have in common."""

    kind: Kind
    name: str
    help: str
    buckets: tuple[float, ...]
    unprefixed: bool = False
    """It stands on the port under this name alone."""

    @property
    def on_port(self) -> str:
        return self.name if self.unprefixed else PREFIX + self.name


class Owner(Protocol):
    """Where a series belongs: ``lock`` guards its numbers, ``note`` has the host told of it before long."""

    lock: threading.Lock

    def note(self, series: Series) -> None: ...


class Series:
    """What the three kinds have in common."""

    def __init__(self, owner: Owner, family: Family, labels: Labels) -> None:
        self._owner = owner
        self.family = family
        self._labels = labels
        self.waits = False
        """It is among those that the host is to be told of."""

    def take(self) -> dict[str, Any]:
        """What the host is told; with the owner's lock held."""
        self.waits = False
        kind, name, help, buckets, unprefixed = self.family
        told = {"kind": kind, "name": name, "help": help, "buckets": buckets, "labels": dict(self._labels)}
        return {**told, "changes": self._taken(), **({"unprefixed": True} if unprefixed else {})}

    def _taken(self) -> Changes:
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
    """Counts what happens; it never goes down."""

    _sum = 0.0

    def inc(self, by: float = 1) -> None:
        """Add ``by``, 0 or more. Raises TypeError and ValueError for anything else."""
        by = self._number("inc", by)
        if by < 0:
            raise ValueError(self._wrong("inc", str(by), "write a number of at least 0, or use a gauge"))
        with self._owner.lock:
            self._sum += by
            self._owner.note(self)

    def _taken(self) -> Changes:
        taken, self._sum = self._sum, 0.0
        return [(taken, 1)]


class Gauge(Series):
    """Shows how much of something there is; what the workers of a model show is added up."""

    _value = 0.0

    def set(self, value: float) -> None:
        """Show ``value``. Raises TypeError and ValueError for what is no finite number."""
        value = self._number("set", value)
        with self._owner.lock:
            self._value = value
            self._owner.note(self)

    def inc(self, by: float = 1) -> None:
        """Show ``by`` more, or less if it is negative; raises as `set` does."""
        by = self._number("inc", by)
        with self._owner.lock:
            self._value += by
            self._owner.note(self)

    def _taken(self) -> Changes:
        return [(self._value, 1)]


class Histogram(Series):
    """Shows how many of the values that were observed lie below each of its bounds."""

    def __init__(self, owner: Owner, family: Family, labels: Labels) -> None:
        super().__init__(owner, family, labels)
        self._start_again()

    def observe(self, value: float) -> None:
        """Count ``value`` where it belongs. Raises TypeError and ValueError for what is no finite number."""
        value = self._number("observe", value)
        bucket = bucket_of(self.family.buckets, value)
        with self._owner.lock:
            self._counts[bucket] += 1
            self._sums[bucket] += value
            self._owner.note(self)

    def _taken(self) -> Changes:
        """For each bucket the mean of what fell into it: so counts and sum are right, and it is little to tell."""
        means = [
            (kept_in_bucket(self.family.buckets, bucket, total / count), count)
            for bucket, (total, count) in enumerate(zip(self._sums, self._counts, strict=True))
            if count
        ]
        self._start_again()
        return means

    def _start_again(self) -> None:
        self._counts = [0] * (len(self.family.buckets) + 1)
        self._sums = [0.0] * (len(self.family.buckets) + 1)
