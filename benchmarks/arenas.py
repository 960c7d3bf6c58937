"""`python -m benchmarks arenas`: what few malloc arenas cost tritonserver. Runs in the benchmark process."""

from __future__ import annotations

import functools

from benchmarks.cache import Cache
from benchmarks.loads import Load
from benchmarks.measure import Run
from benchmarks.servers import Models, Place, Server, Starter
from benchmarks.servers.ours import start_ours
from benchmarks.table import Comparison, too_few_pairs

TITLES = {"few": "4 arenas", "many": "16 arenas"}
LOADS = "grpc-1,grpc-8,grpc-32,http-1,strings-1,shm-600k"


def start(arenas: int, cache: Cache, models: Models, place: Place) -> Server:
    """Ours with so many malloc arenas for tritonserver."""
    server = start_ours(cache, models, place)
    server.add_variables(MALLOC_ARENA_MAX=str(arenas))
    return server


def objections(run: Run, loads: tuple[Load, ...]) -> list[str]:
    """Why these figures do not count; empty if they do."""
    return [text for load in loads for text in too_few_pairs(run, load, "many", TITLES)]


STARTERS: dict[str, Starter] = {
    "few": functools.partial(start, 4),
    "many": functools.partial(start, 16),
}
COMPARISON = Comparison(STARTERS, TITLES, (("few", "many"),), objections)
