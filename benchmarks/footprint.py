"""`python -m benchmarks footprint`: the memory of an idle worker beyond numpy."""

from __future__ import annotations

import time
from pathlib import Path
from statistics import median

from attrs import frozen

from benchmarks import processes
from benchmarks.cache import Cache
from benchmarks.errors import BenchmarkError
from benchmarks.servers import STARTERS
from benchmarks.servers.models import add_subs
from benchmarks.servers.server import free_place
from benchmarks.start import MEGABYTE, SETTLE_SECONDS, bare_pythons, is_worker

MAX_BYTES = 25 * MEGABYTE
"""The limit of a worker's PSS beyond the author's imports."""


@frozen
class Footprint:
    """An idle worker of add-sub and a bare Python that has imported numpy, both at the same moment, in bytes."""

    worker: int
    """PSS: a page that both map counts half in each."""
    bare: int
    worker_private: int
    """Bytes that no other process maps."""
    bare_private: int
    worker_alone: int
    """The worker's PSS a moment before, without a bare Python beside it."""

    @property
    def beyond(self) -> int:
        """What the worker has beyond the author's imports."""
        return self.worker - self.bare


def measure(cache: Cache, folder: Path, tritonserver: Path | None) -> Footprint:
    """Start ours with one add-sub model and read the memory of its worker."""
    with STARTERS["ours"](cache, add_subs(1), free_place(folder, tritonserver)) as server:
        time.sleep(SETTLE_SECONDS)
        workers = [each for each in processes.tree(server.pid) if is_worker(each.command_line)]
        if len(workers) != 1:
            raise BenchmarkError(f"footprint: expected one worker, found {len(workers)}")
        alone = workers[0].proportional_bytes
        with bare_pythons(1) as bare:
            worker, plain = workers[0].memory, bare[0].memory
    return Footprint(worker["Pss"], plain["Pss"], private(worker), private(plain), alone)


def private(memory: dict[str, int]) -> int:
    """Bytes that no other process maps."""
    return memory["Private_Clean"] + memory["Private_Dirty"]


def footprint_table(found: list[Footprint]) -> str:
    """Medians over the rounds, in Markdown."""
    rows = {
        "worker": [each.worker for each in found],
        "Python with numpy": [each.bare for each in found],
        "beyond the author's imports": [each.beyond for each in found],
        "worker, no such Python beside it": [each.worker_alone for each in found],
    }
    owned = {
        "worker": [each.worker_private for each in found],
        "Python with numpy": [each.bare_private for each in found],
        "beyond the author's imports": [each.worker_private - each.bare_private for each in found],
    }
    lines = ["| idle, one add-sub model | PSS | private |", "| --- | --- | --- |"]
    for title, sizes in rows.items():
        mine = f"{median(owned[title]) / MEGABYTE:.1f} MB" if title in owned else "–"
        lines.append(f"| {title} | {median(sizes) / MEGABYTE:.1f} MB | {mine} |")
    return "\n".join(lines)


def objections(found: list[Footprint]) -> list[str]:
    """What exceeds the limit; empty if nothing does."""
    beyond = median(each.beyond for each in found)
    if beyond <= MAX_BYTES:
        return []
    return [f"{beyond / MEGABYTE:.1f} MB beyond the author's imports, {MAX_BYTES / MEGABYTE:g} MB allowed"]
