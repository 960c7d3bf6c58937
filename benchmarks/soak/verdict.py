"""The verdict of a long run: compares the figures after the warm-up with those at the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from statistics import median

from attrs import frozen

from benchmarks.soak.holdings import Holding, Sample

WARM_UP = 0.2
"""After this share of the requests, buffers have their sizes and every part was used once."""
MAX_GROWTH = 2_000_000
"""Bytes of PSS without files: a process's part of a library changes with other processes that map it."""
AROUND = 11
"""The number of samples whose median is a figure: a single sample is noise."""
MEGABYTE = 1_000_000
COUNTS: dict[str, Callable[[Holding], float]] = {
    "descriptors": lambda each: each.descriptors,
    "threads": lambda each: each.threads,
    "segments": lambda each: each.segments,
}
FIGURES: dict[str, Callable[[Holding], float]] = {
    "memory": lambda each: each.bytes,
    "anonymous": lambda each: each.anonymous_bytes,
    "files": lambda each: each.file_bytes,
    "shared": lambda each: each.shared_bytes,
    "own": lambda each: each.bytes - each.file_bytes,
    **COUNTS,
}


@frozen
class Change:
    """One figure of one process after the warm-up and at the end."""

    before: float
    after: float

    @property
    def growth(self) -> float:
        return self.after - self.before


@frozen
class Ends:
    """The samples around the end of the warm-up, and the last samples."""

    before: list[Sample]
    after: list[Sample]

    @property
    def names(self) -> list[str]:
        """The processes, the host first."""
        return [each.name for each in self.after[-1].holdings]

    def change(self, name: str, figure: str) -> Change:
        """A figure of the process `name`."""
        before, after = (
            median([FIGURES[figure](each) for sample in samples for each in sample.holdings if each.name == name])
            for samples in (self.before, self.after)
        )
        return Change(before, after)

    def threads_that_changed(self, name: str) -> str:
        """The names of threads of the process `name` whose number is another at the end, with the change."""
        before, after = (
            Counter(each.thread_names)
            for sample in (self.before[0], self.after[-1])
            for each in sample.holdings
            if each.name == name
        )
        changes = {title: after[title] - before[title] for title in sorted({*before, *after})}
        return ", ".join(f"{title} {change:+}" for title, change in changes.items() if change)


def ends(samples: list[Sample]) -> Ends:
    """Both groups of samples; with enough samples they do not overlap."""
    warm = samples[-1].requests * WARM_UP
    middle = next(index for index, sample in enumerate(samples) if sample.requests >= warm)
    first = max(0, middle - AROUND // 2)
    return Ends(samples[first : first + AROUND], samples[-AROUND:])


def objections(samples: list[Sample]) -> list[str]:
    """What grew or changed, a phrase for each; empty without a change."""
    both = ends(samples)
    members = {tuple((each.name, each.pid) for each in sample.holdings) for sample in (*both.before, *both.after)}
    if len(members) > 1:
        return ["the processes changed during the run"]
    found = []
    for name in both.names:
        if both.change(name, "own").growth > MAX_GROWTH:
            parts = ", ".join(f"{kind} {_growth(both, name, kind)}" for kind in ("anonymous", "files", "shared"))
            found.append(
                f"memory of {name}: {_growth(both, name, 'memory')} ({parts}), {_mb(MAX_GROWTH)} allowed without files"
            )
        for figure in COUNTS:
            count = both.change(name, figure)
            if count.growth:
                named = f" ({both.threads_that_changed(name)})" if figure == "threads" else ""
                found.append(f"{figure} of {name}: {count.before:g} before, {count.after:g} at the end{named}")
    return found


def soak_table(samples: list[Sample]) -> str:
    """Each process after the warm-up and at the end, in Markdown."""
    both = ends(samples)
    warm, last = (each[len(each) // 2].requests for each in (both.before, both.after))
    lines = [
        f"| process | PSS after {warm} | after {last} | growth | without files | {' | '.join(COUNTS)} |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name in both.names:
        memory = both.change(name, "memory")
        counts = [both.change(name, figure) for figure in COUNTS]
        cells = [
            name,
            _mb(memory.before),
            _mb(memory.after),
            _growth(both, name, "memory"),
            _growth(both, name, "own"),
            *(f"{count.before:g} → {count.after:g}" for count in counts),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _growth(both: Ends, name: str, figure: str) -> str:
    return f"{both.change(name, figure).growth / MEGABYTE:+.1f} MB"


def _mb(size: float) -> str:
    return f"{size / MEGABYTE:.1f} MB"
