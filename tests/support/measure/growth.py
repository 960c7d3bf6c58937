"""The memory and other resources of processes in a long run, and whether they grow."""

from __future__ import annotations

import itertools
import os
import statistics
from collections.abc import Sequence
from pathlib import Path

import attrs

_SEGMENT = "/memfd:"
_AROUND = 0.2
"""The share of all moments that counts at either end: a single moment is noise."""

PARTS = 3
"""Parts in which steady growth is looked for: an odd number, so that the median is one of them."""


@attrs.frozen
class Holding:
    """What one process holds at a moment."""

    seconds: float
    memory: int
    """Bytes of PSS without files: its part of a library changes with every other process that maps it."""
    descriptors: int
    threads: int
    segments: int


def holding(pid: int, seconds: float) -> Holding:
    """What the process holds now, ``seconds`` after the start."""
    folder = Path(f"/proc/{pid}")
    lines = (line.split() for line in (folder / "smaps_rollup").read_text().splitlines()[1:])
    bytes_of = {words[0]: int(words[1]) * 1024 for words in lines}
    opened = [folder / "fd" / each for each in os.listdir(folder / "fd")]
    return Holding(
        seconds,
        bytes_of["Pss:"] - bytes_of["Pss_File:"],
        descriptors=len(opened),
        threads=len(os.listdir(folder / "task")),
        segments=len(_mapped(folder) | {inode for each in opened if (inode := _opened(each))}),
    )


def slope(held: Sequence[Holding]) -> float:
    """The slope of the straight line through all moments, in bytes of memory per second."""
    seconds = [each.seconds for each in held]
    return float(statistics.linear_regression(seconds, [each.memory for each in held]).slope)


def steady_slope(held: Sequence[Holding]) -> float:
    """The median of the slopes of `PARTS` equal parts of all moments, in bytes of memory per second.

    What grows all the time grows in each part; a step, such as a segment that grows for the first batch of its size, is
    in one part only.
    """
    bounds = [round(part * (len(held) - 1) / PARTS) for part in range(PARTS + 1)]
    return statistics.median(slope(held[first : last + 1]) for first, last in itertools.pairwise(bounds))


def more(held: Sequence[Holding], what: str) -> float:
    """How many more descriptors, threads or segments there are at the end than at the beginning."""
    counts: list[int] = [getattr(each, what) for each in held]
    several = max(1, int(len(held) * _AROUND))
    return statistics.median(counts[-several:]) - statistics.median(counts[:several])


def _mapped(folder: Path) -> set[int]:
    """The inodes of the segments that are mapped."""
    return {int(line.split()[4]) for line in (folder / "maps").read_text().splitlines() if _SEGMENT in line}


def _opened(descriptor: Path) -> int | None:
    try:
        return descriptor.stat().st_ino if os.readlink(descriptor).startswith(_SEGMENT) else None
    except OSError:
        return None  # closed meanwhile
