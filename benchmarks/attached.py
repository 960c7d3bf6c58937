"""`python -m benchmarks attached`: callables of a script beside our own workers and PyTriton's."""

from __future__ import annotations

from benchmarks.servers import STARTERS as TABLE
from benchmarks.servers import Starter
from benchmarks.servers.attached import start_attached
from benchmarks.table import Comparison, pairs_with

STARTERS: dict[str, Starter] = {"ours": TABLE["ours"], "attached": start_attached, "pytriton": TABLE["pytriton"]}
TITLES = {"ours": "ours", "attached": "attached", "pytriton": "PyTriton"}
LOADS = "grpc-1,grpc-8,grpc-32,shm-600k,shm-600k-8,shm-600k-32"
COMPARISON = Comparison(
    STARTERS, TITLES, (("attached", "ours"), ("attached", "pytriton")), pairs_with("attached", TITLES)
)
