"""`python -m benchmarks arenas`: what fewer malloc arenas cost tritonserver."""

from __future__ import annotations

import functools
import os

from benchmarks.cache import Cache
from benchmarks.servers import Models, Place, Server, Starter
from benchmarks.servers.ours import start_ours
from benchmarks.table import Comparison, pairs_with

TITLES = {
    "one": "one arena for each processor",
    "two": "two arenas for each processor",
    "eight": "eight, glibc's default",
}
LOADS = "grpc-1,grpc-8,grpc-32,http-1,shm-600k"


def start(for_each: int, cache: Cache, models: Models, place: Place) -> Server:
    """Ours, with `for_each` malloc arenas for each processor in tritonserver."""
    server = start_ours(cache, models, place)
    server.add_variables(MALLOC_ARENA_MAX=str(for_each * len(os.sched_getaffinity(0))))
    return server


STARTERS: dict[str, Starter] = {
    "one": functools.partial(start, 1),
    "two": functools.partial(start, 2),
    "eight": functools.partial(start, 8),
}
COMPARISON = Comparison(
    STARTERS, TITLES, (("one", "eight"), ("two", "eight"), ("one", "two")), pairs_with("eight", TITLES)
)
