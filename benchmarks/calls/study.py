"""The rounds: each times every row in each of its ways, one after the other, on servers that run the whole time."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
from attrs import Factory, define, field, frozen

from benchmarks.cache import Cache
from benchmarks.calls.rows import MODELS, ROWS, SERVERS, TITLES, Row, sent_to
from benchmarks.calls.servers import STARTERS
from benchmarks.errors import BenchmarkError
from benchmarks.measure import ATTEMPTS
from benchmarks.perf_analyzer import Window
from benchmarks.servers import Server
from benchmarks.servers.server import free_place
from pytriton_plugins.client import Client, ClientError

REQUEST_TIMEOUT = 300.0


@frozen
class Timing:
    """One way of one row in one round. `time` is what ratios are taken of: all in microseconds, None with an error."""

    round: int
    row: str
    way: str
    time: float | None = None
    p50: float | None = None
    p99: float | None = None
    error: str = ""


@define
class Study:
    """What to measure, and what was measured."""

    cache: Cache
    folder: Path
    rounds: int
    window: Window
    rows: tuple[Row, ...] = ROWS
    share: float = 1.0
    """Of the number of nested calls."""
    without: frozenset[str] = frozenset()
    tritonserver: Path | None = None
    progress: Callable[[str, int, int], None] = field(default=lambda text, done, total: None)
    timings: list[Timing] = Factory(list)
    servers: dict[str, dict[str, str]] = Factory(dict)
    skipped: dict[str, str] = Factory(dict)

    def run(self) -> None:
        """Fill `timings`; without the python backend only its way is left out."""
        self.cache.load_generator()
        with contextlib.ExitStack() as stack:
            running = dict(self._start_all(stack))
            todo = [(n, row, way) for n in range(1, self.rounds + 1) for row in self.rows for way in in_turn(row, n)]
            todo = [each for each in todo if server_of(each[2]) in running]
            for done, (round_, row, way) in enumerate(todo):
                self.progress(f"round {round_} of {self.rounds}: {row.title}: {TITLES[way]}", done, len(todo))
                self.timings.append(self._one(round_, row, way, running))

    def _start_all(self, stack: contextlib.ExitStack) -> Iterator[tuple[str, Server]]:
        for name, start in STARTERS.items():
            try:
                if name in self.without:
                    raise BenchmarkError("left out by --without")
                server = stack.enter_context(start(self.cache, free_place(self.folder / name, self.tritonserver)))
            except BenchmarkError as error:
                if name == "ours":
                    raise
                self.skipped[name] = str(error)
                continue
            self.servers[name] = server.describe()
            yield name, server

    def _one(self, round_: int, row: Row, way: str, running: Mapping[str, Server]) -> Timing:
        error = ""
        for _ in range(ATTEMPTS):
            try:
                return Timing(round_, row.name, way, *self._measure(row, way, running[server_of(way)]))
            except (BenchmarkError, ClientError) as failure:
                error = str(failure)
        return Timing(round_, row.name, way, error=error)

    def _measure(self, row: Row, way: str, server: Server) -> tuple[float, float, float]:
        if row.load is None:
            return nested_calls(server, MODELS[way], row.elements, max(1, int(row.calls * self.share)))
        load = sent_to(row.load, way)
        figure = self.cache.load_generator().measure(load, server.place.http, server.place.grpc, self.window)
        return load.clients * 1e6 / figure.per_second, figure.p50, figure.p99


def server_of(way: str) -> str:
    """The server that answers."""
    return SERVERS.get(way, "ours")


def in_turn(row: Row, round_: int) -> tuple[str, ...]:
    """The ways in the order of the round: every second round is reversed, so that no way is always the first."""
    return row.ways if round_ % 2 else row.ways[::-1]


def nested_calls(server: Server, model: str, elements: int, calls: int) -> tuple[float, float, float]:
    """Microseconds of one call: the median twice, and the 99th percentile."""
    warm_up = 1 + calls // 4
    with Client(f"grpc://{server.place.addresses.grpc}", timeout=REQUEST_TIMEOUT) as client:
        answer = client[model](elements=[[elements]], calls=[[warm_up + calls]])["nanoseconds"]
    found = answer[0, warm_up:] / 1000
    return float(np.median(found)), float(np.median(found)), float(np.percentile(found, 99))
