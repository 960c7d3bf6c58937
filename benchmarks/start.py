"""`python -m benchmarks start`: time from start to ready, and memory when idle."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

from attrs import Factory, asdict, define, field, frozen

from benchmarks import processes
from benchmarks.cache import Cache
from benchmarks.errors import BenchmarkError
from benchmarks.processes import Process
from benchmarks.servers import PEERS, STARTERS, TITLES, Server
from benchmarks.servers.models import add_subs
from benchmarks.servers.server import free_place

SETTLE_SECONDS = 1.0
MEGABYTE = 1_000_000
# The imports of the models' author. A worker's memory beyond them is the cost of this project.
AUTHORS_IMPORTS = "import sys, numpy; print(flush=True); sys.stdin.read()"


@frozen
class Start:
    """One start of one server. Bytes are PSS: shared pages count once in all."""

    server: str
    models: int
    round: int
    seconds_to_ready: float
    bytes_in_all: int
    worker_bytes: list[int]
    """PSS of each worker (only ours has workers)."""
    import_bytes: int
    """PSS of a Python with only the author's imports, while as many of them run as there were workers."""


@define
class Study:
    """Starts each server with numbers of add-sub models, one server after the other, in several rounds."""

    cache: Cache
    folder: Path
    rounds: int
    without: frozenset[str]
    tritonserver: Path | None = None
    progress: Callable[[str, int, int], None] = field(default=lambda text, done, total: None)
    starts: list[Start] = Factory(list)
    skipped: dict[str, str] = Factory(dict)

    def run(self, counts: list[int]) -> None:
        """Fill `starts`; a peer that is missing is skipped."""
        servers = [name for name in STARTERS if name not in self.without]
        todo = [(r, n, name) for r in range(1, self.rounds + 1) for n in counts for name in servers]
        for done, (round_, count, name) in enumerate(todo):
            if name in self.skipped:
                continue
            self.progress(f"round {round_} of {self.rounds}: {TITLES[name]} with {count} models", done, len(todo))
            try:
                self.starts.append(self._one(name, count, round_))
            except BenchmarkError as error:
                if name not in PEERS:
                    raise
                self.skipped[name] = str(error)

    def _one(self, name: str, count: int, round_: int) -> Start:
        place = free_place(self.folder / f"{name}-{count}-{round_}", self.tritonserver)
        with STARTERS[name](self.cache, add_subs(count), place) as server:
            time.sleep(SETTLE_SECONDS)
            everything, workers = memory(server)
        imports = bytes_of_imports(len(workers)) if workers else 0
        return Start(name, count, round_, server.seconds_to_ready, everything, workers, imports)


def facts(start: Start) -> dict[str, object]:
    """The content of the file for a start: of the workers, the median and the extremes."""
    sizes = start.worker_bytes
    workers = {"median": median(sizes), "least": min(sizes), "most": max(sizes), "workers": len(sizes)} if sizes else {}
    return {**asdict(start), "worker_bytes": workers}


def memory(server: Server) -> tuple[int, list[int]]:
    """PSS of the whole tree, and of each of our workers."""
    members = processes.tree(server.pid)
    sizes = [member.proportional_bytes for member in members]
    workers = [size for member, size in zip(members, sizes, strict=True) if is_worker(member.command_line)]
    return sum(sizes), workers


def is_worker(command_line: list[str]) -> bool:
    """Whether a process is one of our workers."""
    return "pytriton_plugins.worker" in command_line


def bytes_of_imports(count: int) -> int:
    """Mean PSS of `count` Pythons with only the author's imports."""
    with bare_pythons(count) as found:
        return sum(each.proportional_bytes for each in found) // count


@contextlib.contextmanager
def bare_pythons(count: int) -> Iterator[list[Process]]:
    """`count` Pythons that have only the author's imports and wait."""
    command = [sys.executable, "-c", AUTHORS_IMPORTS]
    children = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(count)]
    try:
        for child in children:
            if child.stdout is None or not child.stdout.readline():
                raise BenchmarkError(f"numpy cannot be imported by {sys.executable}: install it there")
        yield [found for child in children if (found := processes.process(child.pid))]
    finally:
        for child in children:
            child.kill()
            child.communicate()


def starts_table(starts: list[Start], counts: list[int]) -> str:
    """Medians over the rounds, in Markdown."""
    lines = [
        "| server | models | start → ready | memory in all | per idle worker | beyond the author's imports |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for server in STARTERS:
        for count in counts:
            if chosen := [each for each in starts if (each.server, each.models) == (server, count)]:
                lines.append(f"| {TITLES[server]} | {count} | {_cells(chosen)} |")
    return "\n".join(lines)


def _cells(starts: list[Start]) -> str:
    seconds = median(each.seconds_to_ready for each in starts)
    everything = median(each.bytes_in_all for each in starts) / MEGABYTE
    cells = [f"{seconds:.2f} s", f"{everything:.0f} MB"]
    workers = [(median(each.worker_bytes), each.import_bytes) for each in starts if each.worker_bytes]
    if not workers:
        return " | ".join([*cells, "–", "–"])
    worker = median(size for size, _ in workers) / MEGABYTE
    beyond = median(size - imports for size, imports in workers) / MEGABYTE
    return " | ".join([*cells, f"{worker:.1f} MB", f"{beyond:.1f} MB"])
