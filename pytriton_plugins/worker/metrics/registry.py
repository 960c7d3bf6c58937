"""An author's metrics: added up here and sent to the daemon at intervals.

A call of the author only adds to a number under a lock. The thread that sends starts with the first such call.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import logging
import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from pytriton_plugins.model.metric_rules import (
    DEFAULT_BUCKETS,
    MAX_SERIES,
    MAX_TEXT,
    Kind,
    Labels,
    names_on_port,
    plain_labels,
    wrong_buckets,
    wrong_labels,
    wrong_name,
)
from pytriton_plugins.shm.wire import MAX_MESSAGE
from pytriton_plugins.text import one_line
from pytriton_plugins.worker.metrics.series import Counter, Family, Gauge, Histogram, Series

_LOG = logging.getLogger("pytriton.worker")
FLUSH_INTERVAL = 0.5
"""Seconds from the first change until it is sent, with later ones."""

_MAX_CHANGES = MAX_MESSAGE - 100
"""Bytes of changes in one message."""

S = TypeVar("S", Counter, Gauge, Histogram)


class MetricsSink(Protocol):
    """Takes the changes."""

    def send(self, kind: str, **content: Any) -> None:
        """Send one message; raises OSError when the receiver has ended."""


class _MetricsByName:
    """Metrics by name and labels: the three kinds that an author asks for."""

    _unprefixed: bool
    _all: Metrics

    def counter(self, name: str, /, help: str = "", **labels: str) -> Counter:
        """The counter of that name and labels; ``help`` is that of the name's first call.

        Raises TypeError or ValueError for an invalid name or labels, and for the name of another kind.
        """
        found = self._all.find(self._unprefixed, name, labels)
        return found if type(found) is Counter else self._declare(Counter, "counter", name, help, labels)

    def gauge(self, name: str, /, help: str = "", **labels: str) -> Gauge:
        """The gauge of that name and labels, 0 until it is set; raises as `counter` does."""
        found = self._all.find(self._unprefixed, name, labels)
        return found if type(found) is Gauge else self._declare(Gauge, "gauge", name, help, labels)

    def histogram(
        self, name: str, /, help: str = "", buckets: Sequence[float] | None = None, **labels: str
    ) -> Histogram:
        """The histogram of that name and labels; raises as `counter` does.

        ``buckets`` are upper bounds. They are those of the name's first call, DEFAULT_BUCKETS if it gives none.
        """
        found = self._all.find(self._unprefixed, name, labels)
        if type(found) is Histogram and (buckets is None or tuple(buckets) == found.family.buckets):
            return found
        bounds = () if buckets is None else _bounds(name, buckets)
        return self._declare(Histogram, "histogram", name, help, labels, bounds)

    def _declare(
        self, cls: type[S], kind: Kind, name: str, help: str, labels: Mapping[str, str], buckets: tuple[float, ...] = ()
    ) -> S:
        _check(kind, name, labels, unprefixed=self._unprefixed)
        wanted = Family(kind, name, one_line(help, MAX_TEXT), buckets, self._unprefixed)
        return self._all.get_or_make(cls, wanted, labels)


class UnprefixedMetrics(_MetricsByName):
    """The same metrics without a prefix; names must not begin as Triton's or the daemon's do."""

    _unprefixed = True

    def __init__(self, metrics: Metrics) -> None:
        self._all = metrics


class Metrics(_MetricsByName):
    """Metrics by name and labels; any thread may use them. Changes in a forked child are lost."""

    _unprefixed = False

    def __init__(self, sink: MetricsSink | None = None, *, interval: float = FLUSH_INTERVAL) -> None:
        """Without a ``sink`` changes are dropped."""
        self._all = self
        self.unprefixed = UnprefixedMetrics(self)
        """The same without the prefix of other names on the metrics port."""
        self.lock = threading.Lock()
        """Guards the numbers of all series, and everything below."""
        self._sink = sink
        self._interval = interval
        self._families: dict[str, Family] = {}
        """By each of their names on the metrics port."""
        self._series: dict[tuple[object, ...], Series] = {}
        """By name and labels, in each order in which the author gave them."""
        self._count = 0
        self._changed: list[Series] = []
        self._thread: threading.Thread | None = None
        self._awake = threading.Event()
        self._flushing = threading.Lock()

    def flush(self) -> None:
        """Send all changes; raises OSError when the daemon has ended."""
        with self._flushing:  # so that no message overtakes an earlier one
            with self.lock:
                changed, self._changed = self._changed, []
                entries = [series.take() for series in changed]
            for changes in _messages(entries):
                if self._sink is not None:
                    self._sink.send("metrics", changes=changes)

    def schedule(self, series: Series) -> None:
        """Have the changes of ``series`` sent soon; with the lock held."""
        if series.is_scheduled:
            return
        series.is_scheduled = True
        self._changed.append(series)
        self._awake.set()
        if self._thread is None:
            self._start()

    def find(self, unprefixed: bool, name: str, labels: Mapping[str, str]) -> Series | None:
        """The series of this name and these labels, if an earlier call gave them in the same order."""
        try:
            return self._series.get((unprefixed, name, *labels.items()))
        except TypeError:  # a part of it is not hashable; the caller refuses it with the reason
            return None

    def get_or_make(self, cls: type[S], wanted: Family, labels: Mapping[str, str]) -> S:
        """The series of these labels; raises ValueError when the name is another family's."""
        with self.lock:
            return self._get_or_make(cls, self._family(wanted), labels)

    def _get_or_make(self, cls: type[S], family: Family, labels: Mapping[str, str]) -> S:
        plain: Labels = plain_labels(labels)
        key = (family.unprefixed, family.name, *plain)
        series = self._series.get(key)
        if not isinstance(series, cls):
            series = cls(self, family, plain)
            if self._count >= MAX_SERIES:
                return self._dropped(series)
            self._series[key] = series
            self._count += 1
        if dict(plain) == labels:
            given_key = (family.unprefixed, family.name, *labels.items())
            self._series[given_key] = series
        return series

    def _family(self, wanted: Family) -> Family:
        """The family of that name, ``wanted`` if there is none yet; ValueError if another family has the name."""
        kind, name = wanted.kind, wanted.name
        names = names_on_port(kind, wanted.on_port)
        present = [self._families[each] for each in names if each in self._families]
        for other in present:
            if (other.kind, other.name) != (kind, name):
                raise ValueError(f"{kind} {name}: the name is in use by {other.kind} {other.name}; use another name")
            if wanted.buckets and other.buckets != wanted.buckets:
                raise ValueError(
                    f"{kind} {name}: its buckets are {other.buckets} already; leave them out, or use another name"
                )
        if present:
            return present[0]
        if kind == "histogram" and not wanted.buckets:
            wanted = wanted._replace(buckets=DEFAULT_BUCKETS)
        self._families.update(dict.fromkeys(names, wanted))
        return wanted

    def _dropped(self, series: S) -> S:
        """A series beyond the limit: it counts, and its changes are never sent."""
        series.is_scheduled = True
        if self._count == MAX_SERIES:
            self._count += 1
            _LOG.warning(
                "metric %s: the limit of %d series is reached, further series are dropped; use labels that have few "
                "values",
                series.family.name,
                MAX_SERIES,
            )
        return series

    def _start(self) -> None:
        with contextlib.suppress(RuntimeError):  # no thread can start now; the next change tries again
            thread = threading.Thread(target=self._run, name="pytriton-metrics", daemon=True)
            thread.start()
            self._thread = thread
            atexit.register(self._finish)
            os.register_at_fork(after_in_child=self._forget)

    def _run(self) -> None:
        with contextlib.suppress(OSError):  # the daemon has ended, and this process ends too
            while True:
                self._awake.wait()
                time.sleep(self._interval)
                self._awake.clear()
                with contextlib.suppress(TimeoutError):  # a daemon that does not read now may read later
                    self.flush()

    def _finish(self) -> None:
        with contextlib.suppress(OSError):
            self.flush()

    def _forget(self) -> None:
        """Start anew in a child that the callable forked, where no thread would release a held lock."""
        self.lock, self._flushing, self._awake = threading.Lock(), threading.Lock(), threading.Event()
        self._sink = None


def _check(kind: Kind, name: str, labels: Mapping[str, str], *, unprefixed: bool) -> None:
    if wrong := wrong_name(name, unprefixed=unprefixed):
        raise ValueError(wrong) if isinstance(name, str) else TypeError(wrong)
    if wrong := wrong_labels(labels):
        texts = all(isinstance(text, str) for text in labels.values())
        raise (ValueError if texts else TypeError)(f"{kind} {name}: {wrong}")


def _bounds(name: str, buckets: Sequence[float]) -> tuple[float, ...]:
    try:
        bounds = tuple(map(float, buckets))
        wrong = wrong_buckets(bounds)
    except (TypeError, ValueError):
        wrong = "its buckets are not all numbers; write upper bounds such as (0.1, 0.5, 1.0)"
    if wrong:
        raise ValueError(f"histogram {one_line(name)}: {wrong}")
    return bounds


def _messages(entries: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """``entries`` in parts that each fit in one message."""
    part: list[dict[str, Any]] = []
    left = _MAX_CHANGES
    for each in entries:
        length = len(json.dumps(each)) + 2
        if part and length > left:
            yield part
            part, left = [], _MAX_CHANGES
        part.append(each)
        left -= length
    if part:
        yield part
