"""The rows of the comparison, the ways that are compared in each, and the limits of ours."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
from attrs import frozen

from benchmarks.errors import BenchmarkError
from benchmarks.loads import Load, loads_named

TITLES = {
    "calls": "ctx.models",
    "grpc": "tritonclient",
    "bls": "BLS",
    "chained": "the first calls two",
    "chained_wide": "the first calls two, threads=8",
    "pipeline": "a fourth calls three",
    "ensemble": "ensemble",
}
"""The ways: ours first, those that it is compared with after it."""
SERVERS = {"bls": "python-backend"}
"""The server of a way, if it is not ours."""
MODELS = {"calls": "nested_call", "grpc": "nested_grpc", "bls": "nested_call"}
"""The model that calls the identity model, of each way of nested calls; the other ways are called as their model."""

LARGE = 1 << 18
"""Bytes of a request from which on several threads of the caller pay."""


@frozen
class Row:
    """One row: `limits` has the most that the time of `ours` may be, of the time of each of the other ways.

    `further`: a second way of ours, which is compared with the same ones, without limits.
    """

    name: str
    title: str
    ours: str
    others: tuple[str, ...]
    limits: Mapping[str, float]
    elements: int = 0
    calls: int = 0
    """Timed calls of a request that calls the identity model; a quarter as many come before them."""
    load: Load | None = None
    """Of a pipeline, what perf_analyzer sends."""
    further: tuple[str, ...] = ()

    @property
    def ways(self) -> tuple[str, ...]:
        return (self.ours, *self.further, *self.others)

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """The ways whose times are compared."""
        return tuple((own, other) for own in (self.ours, *self.further) for other in self.others)


def nested(name: str, title: str, elements: int, calls: int, limits: Mapping[str, float]) -> Row:
    """A row of calls of the identity model."""
    return Row(name, f"{title}, nested call", "calls", ("grpc", "bls"), limits, elements, calls)


def pipeline(load: Load) -> Row:
    """A row of three models: the first one calls the others, a fourth calls all, or they are steps of an ensemble.

    The limit is that of the caller as its page advises: with a thread for each client where the requests are large.
    """
    title, limits = f"{load.title}, three models", {"ensemble": 1.3}
    ours, further = ("chained_wide", ("chained", "pipeline")) if load.bytes >= LARGE else ("chained", ("pipeline",))
    return Row(load.name, title, ours, ("ensemble",), limits, load=load, further=further)


ROWS = (
    nested("nested-64", "64 B", 16, 1000, {"grpc": 0.6, "bls": 0.75}),
    nested("nested-600k", "600 KB", 150_000, 400, {}),
    nested("nested-16m", "16 MB", 4_000_000, 40, {"grpc": 0.5, "bls": 0.5}),
    *(pipeline(load) for load in loads_named("grpc-1,grpc-8,shm-600k,shm-600k-8")),
)


def rows_named(names: str | None) -> tuple[Row, ...]:
    """The rows of a comma-separated list, in the order of `ROWS`; all for None."""
    known = {row.name: row for row in ROWS}
    wanted = set(names.split(",")) if names else set(known)
    if unknown := sorted(wanted - set(known)):
        raise BenchmarkError(f"--loads: unknown row {', '.join(unknown)}; choose from {', '.join(known)}")
    return tuple(row for row in ROWS if row.name in wanted)


def sent_to(load: Load, way: str) -> Load:
    """The load for the model of a way."""
    return attrs.evolve(load, receiver=way)
