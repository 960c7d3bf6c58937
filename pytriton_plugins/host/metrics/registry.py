"""All metrics that stand beside Triton's own, added up until the backend is told of them; runs in the host."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

from pytriton_plugins.errors import ProtocolError
from pytriton_plugins.host.metrics.aggregates import SUMS, Family, Sum
from pytriton_plugins.host.metrics.updates import Change, Values, read_changes
from pytriton_plugins.model.metric_rules import MAX_SERIES, PREFIX, Kind, Labels, names_on_port
from pytriton_plugins.shm.wire import LINK_HEADER, MAX_MESSAGE, MAX_OBSERVATIONS

_LOG = logging.getLogger("pytriton.host")
_LONGEST = 12_000
"""More than the longest metric takes in a message."""

_ROOM = MAX_MESSAGE - LINK_HEADER.size - _LONGEST
_HOST = 0
"""The source of the host's own values; workers are numbered from 1."""


class Model(NamedTuple):
    """Whose metric it is."""

    name: str
    version: int

    def __str__(self) -> str:
        return f"model {self.name} version {self.version}"

    def labelled(self, labels: Labels = ()) -> Labels:
        """The labels on the port."""
        return (("model", self.name), ("version", str(self.version)), *labels)


class Metrics:
    """Takes in changes, adds them up, and gives what the backend is to be told of them."""

    def __init__(self) -> None:
        self._families: dict[str, Family] = {}
        """By each name that stands on the port."""
        self._sums: dict[tuple[str, Labels], Sum] = {}
        self._sizes: Counter[Model] = Counter()
        """How many series of its author's each model has."""
        self._changed: dict[Sum, None] = {}
        """Those that the backend is to be told of, the longest waiting first."""
        self._warned: set[object] = set()

    def from_worker(self, model: Model, source: int, message: Mapping[str, Any]) -> None:
        """Take in what the worker ``source`` of ``model`` says; what breaks the rules is logged once and left out."""
        try:
            changes = read_changes(message)
        except ProtocolError as error:
            said = f"{model}: what one of its workers tells of its metrics cannot be used: {error}; it is left out"
            self._warn((source, "broken"), said)
            return
        for change in changes:
            found = self._of_author(model, change)
            if found is not None:
                found.add(source, change.values)
                self._changed[found] = None

    def worker_gone(self, source: int) -> None:
        """What its gauges showed is no more."""
        for each in self._sums.values():
            if each.forget(source):
                self._changed[each] = None

    def show(self, kind: Kind, name: str, help: str, model: Model, value: float) -> None:
        """Set a gauge of the host's own, or add to a counter."""
        labels = model.labelled()
        found = self._sums.get((name, labels))
        if found is None:
            found = self._made(Family(kind, name, help, (), "the host"), labels)
        found.add(_HOST, ((value, 1),))
        self._changed[found] = None

    def say_again(self) -> None:
        """Have another server told of everything; its counters begin at 0."""
        self._changed = dict.fromkeys(self._sums.values())

    def payload(self) -> bytes:
        """What the next METRIC tells; empty when there is nothing to tell."""
        parts: list[bytes] = []
        size, observations = 0, MAX_OBSERVATIONS
        while self._changed and size < _ROOM and observations:
            each = next(iter(self._changed))
            del self._changed[each]
            entry = each.take(observations)
            if each.left:
                self._changed[each] = None
            observations -= _observed(entry.changes) if entry.buckets else 0
            parts.append(entry.pack())
            size += len(parts[-1])
        return b"".join(parts)

    def _of_author(self, model: Model, change: Change) -> Sum | None:
        family = Family(change.kind, change.name, change.help, change.buckets, str(model))
        if not self._goes_with_others(change.name.removeprefix(PREFIX), family):
            return None
        labels = model.labelled(change.labels)
        found = self._sums.get((family.name, labels))
        if found is not None:
            return found
        if self._sizes[model] >= MAX_SERIES:
            said = f"{model}: it has {MAX_SERIES} sets of labels in its metrics; further ones are left out"
            self._warn((model, "series"), f"{said}; use labels that have few values")
            return None
        self._sizes[model] += 1
        return self._made(family, labels)

    def _goes_with_others(self, name: str, wanted: Family) -> bool:
        """Whether the name is free for it: the first family that has it says what it is."""
        there = [self._families[each] for each in names_on_port(wanted.kind, wanted.name) if each in self._families]
        for other in there:
            if (other.kind, other.name, other.buckets) != (wanted.kind, wanted.name, wanted.buckets):
                what = f"metric {name}: the {wanted.kind} of {wanted.whose} does not go with the {other.kind} of"
                said = f"{what} {other.whose}, and is left out; give it another name, or the same kind and buckets"
                self._warn((wanted.name, wanted.whose), said)
                return False
            if other.help != wanted.help:
                said = f"metric {name}: {wanted.whose} and {other.whose} describe it differently; the latter is shown"
                self._warn((wanted.name, wanted.whose), said)
        return True

    def _made(self, family: Family, labels: Labels) -> Sum:
        names = names_on_port(family.kind, family.name)
        family = self._families.setdefault(family.name, family)
        self._families.update(dict.fromkeys(names, family))
        made = self._sums[family.name, labels] = SUMS[family.kind](family, labels)
        return made

    def _warn(self, about: object, said: str) -> None:
        if about not in self._warned:
            self._warned.add(about)
            _LOG.warning("%s", said)


def _observed(changes: Values) -> int:
    return sum(count for _, count in changes)
