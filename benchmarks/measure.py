"""The rounds: each sends every load to every server, one after the other."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from attrs import Factory, define, field, frozen

from benchmarks.cache import Cache
from benchmarks.errors import BenchmarkError
from benchmarks.loads import Load
from benchmarks.perf_analyzer import Figure, Window
from benchmarks.servers import EMPTY, ONLY_WITH_CLIENT_SHM, PEERS, STARTERS, TITLES, Server, Starter
from benchmarks.servers.models import OF_THE_TABLE
from benchmarks.servers.server import free_place

ATTEMPTS = 2


@frozen
class Measurement:
    """One run of the load generator, with a figure or an error."""

    round: int
    load: str
    server: str
    figure: Figure | None
    error: str = ""


@define
class Run:
    """All measurements of one call of the command."""

    measurements: list[Measurement] = Factory(list)
    skipped: dict[str, str] = Factory(dict)
    """Server → the reason why it was left out."""
    servers: dict[str, dict[str, str]] = Factory(dict)
    """Server → version, binary and hash."""


def measures(load: Load, server: str) -> bool:
    """Whether the load is sent to the server."""
    return load.client_shared_memory or server not in {EMPTY, *ONLY_WITH_CLIENT_SHM}


def in_turn(servers: dict[str, Server], round_: int) -> list[tuple[str, Server]]:
    """The servers in the order of the round: every second round is reversed, so that no server is always the first."""
    return list(servers.items()) if round_ % 2 else list(reversed(servers.items()))


@frozen
class Plan:
    """The servers and loads to measure."""

    cache: Cache
    folder: Path
    loads: tuple[Load, ...]
    rounds: int
    window: Window
    without: frozenset[str] = frozenset()
    tritonserver: Path | None = None
    starters: Mapping[str, Starter] = STARTERS
    titles: Mapping[str, str] = TITLES
    progress: Callable[[str, int, int], None] = field(default=lambda text, done, total: None)

    def run(self, run: Run) -> None:
        """Start every server, measure into ``run``, end them. A peer that is missing or does not start is skipped."""
        self.cache.load_generator()
        with contextlib.ExitStack() as stack:
            servers = dict(self._start_all(run, stack))
            self._measure(run, servers)

    def _start_all(self, run: Run, stack: contextlib.ExitStack) -> Iterator[tuple[str, Server]]:
        for name, start in self.starters.items():
            if name in self.without:
                run.skipped[name] = "left out by --without"
                continue
            self.progress(f"starting {self.titles[name]}", 0, 1)
            try:
                place = free_place(self.folder / name, self.tritonserver)
                server = stack.enter_context(start(self.cache, OF_THE_TABLE, place))
            except BenchmarkError as error:
                if name not in {EMPTY, *PEERS}:
                    raise
                run.skipped[name] = str(error)
                continue
            run.servers[name] = server.describe()
            yield name, server

    def _measure(self, run: Run, servers: dict[str, Server]) -> None:
        total = self.rounds * sum(measures(load, name) for load in self.loads for name in servers)
        for round_ in range(1, self.rounds + 1):
            for load in self.loads:
                for name, server in in_turn(servers, round_):
                    if not measures(load, name):
                        continue
                    text = f"round {round_} of {self.rounds}: {load.title}: {self.titles[name]}"
                    self.progress(text, len(run.measurements), total)
                    run.measurements.append(self._one(round_, load, name, server))

    def _one(self, round_: int, load: Load, name: str, server: Server) -> Measurement:
        error = ""
        for _ in range(ATTEMPTS):
            try:
                figure = self.cache.load_generator().measure(load, server.place.http, server.place.grpc, self.window)
                return Measurement(round_, load.name, name, figure)
            except BenchmarkError as failure:
                error = str(failure)
        return Measurement(round_, load.name, name, None, error)
