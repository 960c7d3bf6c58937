"""Figures that tests tell in the rows of a table, shown at the end of the run; runs in pytest.

A variable of each table writes them as JSON as well (``FAULT_FIGURES=FILE``), another asks for the long form of each
row (``FAULTS=full``).
"""

from __future__ import annotations

import json
import os
import statistics
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import attrs


@attrs.frozen
class Figure:
    """What one row of the table has shown: a value for each run, and the largest that it may be."""

    row: int
    what: str
    values: tuple[float, ...]
    unit: str
    limit: float | None

    def __str__(self) -> str:
        median, worst = statistics.median(self.values), max(self.values)
        limit = "" if self.limit is None else f", limit {self.limit:g}"
        summary = f"median {median:.3g}, worst {worst:.3g}{limit} {self.unit}".rstrip()
        return f"{self.row:2} {self.what}: {len(self.values)} runs, {summary}"


@attrs.frozen
class Seen:
    """What one case of a row has shown, in words: what the client got, and what became of the worker."""

    row: int
    case: str
    client: str
    worker: str

    def __str__(self) -> str:
        return f"{self.row:2} {self.case:42} {self.client:96} {self.worker}".rstrip()


class Ruler:
    """How late this process was woken: what the machine took by itself while a figure was measured."""

    def __init__(self) -> None:
        self.worst = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._measure, daemon=True)

    def __enter__(self) -> Ruler:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _measure(self) -> None:
        expected = time.monotonic() + _TICK
        while not self._over.wait(_TICK):
            now = time.monotonic()
            self.worst = max(self.worst, now - expected)
            expected = now + _TICK


_TICK = 0.005
ruler: Ruler | None = None
"""That of the test that runs."""


class Table:
    """Rows of figures with a title. ``full``: whether the variable ``name`` asks for their long forms."""

    def __init__(self, title: str, name: str, file: str) -> None:
        """``file`` is the variable that names the JSON file."""
        self.title = title
        self.full = os.environ.get(name) == "full"
        self._file = file
        self._told: list[Figure | Seen] = []

    def figure(self, row: int, what: str, values: Sequence[float], unit: str = "s", limit: float | None = None) -> None:
        """Have the figure shown at the end, and fail if the worst value is over its limit.

        By as many seconds as this process itself was woken late meanwhile it may be: shown is the limit without them.
        """
        told = Figure(row, what, tuple(values), unit, limit)
        self._told.append(told)
        late = ruler.worst if ruler is not None and unit == "s" else 0.0
        assert limit is None or max(values) <= limit + late, f"{told} (woken up to {late:.3f} s late)"

    def seen(self, row: int, case: str, client: str, worker: str) -> None:
        """Have the case shown at the end."""
        self._told.append(Seen(row, case, client, worker))

    def lines(self) -> list[str]:
        """A line for each figure and each case, by row; writes the file that is asked for."""
        told = sorted(self._told, key=lambda each: each.row)
        if told and (path := os.environ.get(self._file)):
            Path(path).write_text(json.dumps([attrs.asdict(each) for each in told], indent=1) + "\n")
        return [str(each) for each in told]


_FAULTS = Table("table of faults", "FAULTS", "FAULT_FIGURES")
FULL, figure, seen = _FAULTS.full, _FAULTS.figure, _FAULTS.seen
CLUSTER = Table("replicas behind a balancer", "CLUSTER", "CLUSTER_FIGURES")
TABLES = (_FAULTS, CLUSTER)
