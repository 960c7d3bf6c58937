"""The servers that are compared, one module for each."""

from __future__ import annotations

import functools
from collections.abc import Callable

from benchmarks.cache import Cache
from benchmarks.servers.floor import start_floor
from benchmarks.servers.models import Models
from benchmarks.servers.ours import start_empty, start_ours
from benchmarks.servers.python_backend import start_python_backend
from benchmarks.servers.pytriton import start_pytriton
from benchmarks.servers.server import Place, Server

__all__ = ["EMPTY", "ONLY_WITH_CLIENT_SHM", "PEERS", "STARTERS", "TITLES", "Models", "Place", "Server", "Starter"]

Starter = Callable[[Cache, Models, Place], Server]

EMPTY = "empty"
"""Not in every checkout. It gets only the loads in client shared memory: it saves a copy of the output."""

STARTERS: dict[str, Starter] = {
    "floor": start_floor,
    "ours": start_ours,
    "copying": functools.partial(start_ours, further=("--no-shm-lend",)),
    "python-backend": start_python_backend,
    "pytriton": start_pytriton,
    EMPTY: start_empty,
}
"""In the order of each round."""

PEERS = ("python-backend", "pytriton")

TITLES = {
    "floor": "floor",
    "ours": "ours",
    "copying": "ours, copying",
    "python-backend": "python backend",
    "pytriton": "PyTriton",
    EMPTY: "ours, ctx.empty",
}
ONLY_WITH_CLIENT_SHM = frozenset({"copying"})
"""Under other loads they are the same as ours."""
