"""An author's metrics: added up here and told to the host now and then; runs in the worker.

A call of the author's only adds to a number under a lock. Nothing is sent, and no thread runs, until there is one.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

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
PERIOD = 0.5
"""Seconds from the first change until the host is told of it, and of what has come meanwhile."""

_ROOM = MAX_MESSAGE - 100
"""What one message has for changes."""

S = TypeVar("S", Counter, Gauge, Histogram)


class _Named:
    """Metrics by name and labels: the three kinds that an author asks for."""

    _unprefixed: bool
    _all: Metrics

    def counter(self, name: str, /, help: str = "", **labels: str) -> Counter:
        """The counter of that name and labels; ``help`` is that of the name's first call.

        Raises TypeError and ValueError for a name or labels that cannot be, and for the name of another kind.
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


class Unprefixed(_Named):
    """The same metrics under the author's names alone, which must not begin as Triton's or the host's do."""

    _unprefixed = True

    def __init__(self, metrics: Metrics) -> None:
        self._all = metrics


class Metrics(_Named):
    """Metrics by name and labels; any thread may use them. What a forked child counts is lost."""

    _unprefixed = False

    def __init__(self, tell: Callable[..., None], *, period: float = PERIOD) -> None:
        """``tell(kind, **content)`` sends a message to the host, as `WorkerLink.tell` does."""
        self._all = self
        self.unprefixed = Unprefixed(self)
        """The same without the prefix that stands before other names on the port."""
        self.lock = threading.Lock()
        """Guards the numbers of all series, and everything below."""
        self._tell = tell
        self._period = period
        self._families: dict[str, Family] = {}
        """By each name that stands on the port."""
        self._series: dict[tuple[object, ...], Series] = {}
        """By name and labels, in every order in which they were given."""
        self._count = 0
        self._changed: list[Series] = []
        self._thread: threading.Thread | None = None
        self._awake = threading.Event()
        self._flushing = threading.Lock()

    def flush(self) -> None:
        """Tell the host what has changed; raises OSError when it is gone."""
        with self._flushing:  # so that no message overtakes an earlier one
            with self.lock:
                changed, self._changed = self._changed, []
                taken = [series.take() for series in changed]
            for changes in _messages(taken):
                self._tell("metrics", changes=changes)

    def note(self, series: Series) -> None:
        """Have the host told of ``series`` before long; with the lock held."""
        if series.waits:
            return
        series.waits = True
        self._changed.append(series)
        self._awake.set()
        if self._thread is None:
            self._start()

    def find(self, unprefixed: bool, name: str, labels: Mapping[str, str]) -> Series | None:
        """The series that has been given this name and these labels before, in the same order."""
        try:
            return self._series.get((unprefixed, name, *labels.items()))
        except TypeError:  # a part of it is not even hashable, and is refused with its reason
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
                return self._left_out(series)
            self._series[key] = series
            self._count += 1
        if dict(plain) == labels:
            as_given = (family.unprefixed, family.name, *labels.items())
            self._series[as_given] = series
        return series

    def _family(self, wanted: Family) -> Family:
        """The family of that name, the wanted one if there is none yet; raises ValueError when it is another."""
        kind, name = wanted.kind, wanted.name
        names = names_on_port(kind, wanted.on_port)
        there = [self._families[each] for each in names if each in self._families]
        for other in there:
            if (other.kind, other.name) != (kind, name):
                raise ValueError(f"{kind} {name}: there is a {other.kind} {other.name}; write another name")
            if wanted.buckets and other.buckets != wanted.buckets:
                raise ValueError(
                    f"{kind} {name}: it has the buckets {other.buckets} already; leave them out, or write another name"
                )
        if there:
            return there[0]
        if kind == "histogram" and not wanted.buckets:
            wanted = wanted._replace(buckets=DEFAULT_BUCKETS)
        self._families.update(dict.fromkeys(names, wanted))
        return wanted

    def _left_out(self, series: S) -> S:
        """One series too many: it counts, and nobody is told."""
        series.waits = True
        if self._count == MAX_SERIES:
            self._count += 1
            _LOG.warning(
                "metric %s: there are %d series already, and this and further ones are left out; use labels that have "
                "few values",
                series.family.name,
                MAX_SERIES,
            )
        return series

    def _start(self) -> None:
        with contextlib.suppress(RuntimeError):  # no thread can be had: perhaps at the next change
            thread = threading.Thread(target=self._run, name="pytriton-metrics", daemon=True)
            thread.start()
            self._thread = thread
            atexit.register(self._finish)
            os.register_at_fork(after_in_child=self._forget)

    def _run(self) -> None:
        with contextlib.suppress(OSError):  # the host is gone, and this process ends
            while True:
                self._awake.wait()
                time.sleep(self._period)
                self._awake.clear()
                with contextlib.suppress(TimeoutError):  # a host that does not read now may do so later
                    self.flush()

    def _finish(self) -> None:
        with contextlib.suppress(OSError):
            self.flush()

    def _forget(self) -> None:
        """In a child that the callable has forked, where locks may be held by threads that are not there."""
        self.lock, self._flushing, self._awake = threading.Lock(), threading.Lock(), threading.Event()
        self._tell = lambda kind, **content: None


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


def _messages(taken: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """What was taken in as many parts as messages are needed."""
    part: list[dict[str, Any]] = []
    left = _ROOM
    for each in taken:
        length = len(json.dumps(each)) + 2
        if part and length > left:
            yield part
            part, left = [], _ROOM
        part.append(each)
        left -= length
    if part:
        yield part
