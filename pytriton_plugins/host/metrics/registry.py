"""All metrics beside Triton's own, added up until the backend gets them."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

from pytriton_plugins.errors import ProtocolError
from pytriton_plugins.host.metrics.aggregates import AGGREGATES, Aggregate, Family
from pytriton_plugins.host.metrics.updates import Update, Values, read_updates
from pytriton_plugins.model.metric_rules import MAX_SERIES, PREFIX, Kind, Labels, names_on_port
from pytriton_plugins.shm.wire import LINK_HEADER, MAX_MESSAGE, MAX_OBSERVATIONS

_LOG = logging.getLogger("pytriton.host")
_MAX_ENTRY = 12_000
"""Bytes; more than the longest metric takes in a message."""

_MAX_PAYLOAD = MAX_MESSAGE - LINK_HEADER.size - _MAX_ENTRY
_HOST = 0
"""The source of the daemon's own values; workers are numbered from 1."""


class Model(NamedTuple):
    """The model of a metric."""

    name: str
    version: int

    def __str__(self) -> str:
        return f"model {self.name} version {self.version}"

    def labelled(self, labels: Labels = ()) -> Labels:
        """The labels on the port."""
        return (("model", self.name), ("version", str(self.version)), *labels)


class MetricsRegistry:
    """Adds up the updates of workers and of the daemon, and packs them for the backend."""

    def __init__(self) -> None:
        self._families: dict[str, Family] = {}
        """By each name on the port."""
        self._aggregates: dict[tuple[str, Labels], Aggregate] = {}
        self._sizes: Counter[Model] = Counter()
        """How many series each model has, without those of the daemon."""
        self._changed: dict[Aggregate, None] = {}
        """Those with news for the backend, the longest waiting first."""
        self._warned: set[object] = set()

    def from_worker(self, model: Model, source: int, message: Mapping[str, Any]) -> None:
        """Add the report of the worker ``source`` of ``model``; what breaks the rules is logged once and left out."""
        try:
            updates = read_updates(message)
        except ProtocolError as error:
            self._warn((source, "broken"), f"{model}: invalid metrics from one of its workers: {error}; left out")
            return
        for update in updates:
            found = self._of_author(model, update)
            if found is not None:
                found.add(source, update.values)
                self._changed[found] = None

    def worker_gone(self, source: int) -> None:
        """Forget the gauges of a worker that has ended."""
        for each in self._aggregates.values():
            if each.forget(source):
                self._changed[each] = None

    def show(self, kind: Kind, name: str, help: str, model: Model, value: float) -> None:
        """Set a gauge of the daemon's own, or add to a counter."""
        labels = model.labelled()
        found = self._aggregates.get((name, labels))
        if found is None:
            found = self._new(Family(kind, name, help, (), "the daemon"), labels)
        found.add(_HOST, ((value, 1),))
        self._changed[found] = None

    def resend(self) -> None:
        """Send everything again, to another server; its counters begin at 0."""
        self._changed = dict.fromkeys(self._aggregates.values())

    def payload(self) -> bytes:
        """The payload of the next METRIC message; empty without news."""
        parts: list[bytes] = []
        size, observations = 0, MAX_OBSERVATIONS
        while self._changed and size < _MAX_PAYLOAD and observations:
            each = next(iter(self._changed))
            del self._changed[each]
            entry = each.take(observations)
            if each.has_more:
                self._changed[each] = None
            observations -= _observed(entry.changes) if entry.buckets else 0
            parts.append(entry.pack())
            size += len(parts[-1])
        return b"".join(parts)

    def _of_author(self, model: Model, update: Update) -> Aggregate | None:
        family = Family(update.kind, update.name, update.help, update.buckets, str(model))
        if not self._fits(update.name.removeprefix(PREFIX), family):
            return None
        labels = model.labelled(update.labels)
        found = self._aggregates.get((family.name, labels))
        if found is not None:
            return found
        if self._sizes[model] >= MAX_SERIES:
            problem = f"{model}: its metrics have {MAX_SERIES} sets of labels; further ones are left out"
            self._warn((model, "series"), f"{problem}; use labels that have few values")
            return None
        self._sizes[model] += 1
        return self._new(family, labels)

    def _fits(self, name: str, wanted: Family) -> bool:
        """Whether the family can have its name: the first family with a name decides its kind and buckets."""
        others = [self._families[each] for each in names_on_port(wanted.kind, wanted.name) if each in self._families]
        for other in others:
            if (other.kind, other.name, other.buckets) != (wanted.kind, wanted.name, wanted.buckets):
                conflict = f"the {wanted.kind} of {wanted.owner} conflicts with the {other.kind} of {other.owner}"
                remedy = "give it another name, or the same kind and buckets"
                self._warn((wanted.name, wanted.owner), f"metric {name}: {conflict} and is left out; {remedy}")
                return False
            if other.help != wanted.help:
                texts = f"{wanted.owner} and {other.owner} have different help texts; shown is the latter"
                self._warn((wanted.name, wanted.owner), f"metric {name}: {texts}")
        return True

    def _new(self, family: Family, labels: Labels) -> Aggregate:
        names = names_on_port(family.kind, family.name)
        family = self._families.setdefault(family.name, family)
        self._families.update(dict.fromkeys(names, family))
        aggregate = self._aggregates[family.name, labels] = AGGREGATES[family.kind](family, labels)
        return aggregate

    def _warn(self, about: object, message: str) -> None:
        if about not in self._warned:
            self._warned.add(about)
            _LOG.warning("%s", message)


def _observed(changes: Values) -> int:
    return sum(count for _, count in changes)
