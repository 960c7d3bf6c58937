"""Figures of tests, shown at the end of the run in the rows of a table.

Two variables of each table set a JSON file for the figures (``FAULT_FIGURES=FILE``) and the long form of each row
(``FAULTS=full``).
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
    """A measured value for each run of one row of the table, and the limit of the largest."""

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
    """The result of one case of a row, in words: for the client and for the worker."""

    row: int
    case: str
    client: str
    worker: str

    def __str__(self) -> str:
        return f"{self.row:2} {self.case:42} {self.client:96} {self.worker}".rstrip()


class Ruler:
    """Measures how late the machine wakes this process while a figure is measured."""

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
"""The ruler of the present test."""

may_limit_seconds = True
"""Whether the present test has the machine for itself."""


class Table:
    """Rows of figures with a title. ``full``: whether the variable ``name`` sets the long form."""

    def __init__(self, title: str, name: str, file: str) -> None:
        """``file`` is the variable that names the JSON file."""
        self.title = title
        self.full = os.environ.get(name) == "full"
        self._file = file
        self._found: list[Figure | Seen] = []

    def figure(self, row: int, what: str, values: Sequence[float], unit: str = "s", limit: float | None = None) -> None:
        """Show the figure at the end, and fail if the worst value exceeds its limit.

        The limit is extended by the seconds by which this process was woken late; the table shows it without them.
        """
        found = Figure(row, what, tuple(values), unit, limit)
        self._found.append(found)
        assert may_limit_seconds or limit is None or unit != "s", (
            f"{found}: a test with the mark counted has no limit in s"
        )
        late = ruler.worst if ruler is not None and unit == "s" else 0.0
        assert limit is None or max(values) <= limit + late, f"{found} (woken up to {late:.3f} s late)"

    def seen(self, row: int, case: str, client: str, worker: str) -> None:
        """Show the case at the end."""
        self._found.append(Seen(row, case, client, worker))

    def lines(self) -> list[str]:
        """A line for each figure and each case, by row; writes the JSON file if one is set."""
        found = sorted(self._found, key=lambda each: each.row)
        if found and (path := os.environ.get(self._file)):
            Path(path).write_text(json.dumps([attrs.asdict(each) for each in found], indent=1) + "\n")
        return [str(each) for each in found]


_FAULTS = Table("table of faults", "FAULTS", "FAULT_FIGURES")
FULL, figure, seen = _FAULTS.full, _FAULTS.figure, _FAULTS.seen
CLUSTER = Table("replicas behind a balancer", "CLUSTER", "CLUSTER_FIGURES")
TABLES = (_FAULTS, CLUSTER)
