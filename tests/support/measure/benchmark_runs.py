"""Runs of the benchmarks with made-up rates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.loads import Load
from benchmarks.measure import Measurement, Run
from benchmarks.perf_analyzer import Figure


def run_of(rounds: int, rates: Mapping[str, float], loads: Sequence[Load]) -> Run:
    """A run in which each server has the same rate in every round and under every load."""
    measurements = [
        Measurement(round_, load.name, server, Figure(rate, p50=1, p90=1, p95=1, p99=1))
        for round_ in range(rounds)
        for load in loads
        for server, rate in rates.items()
    ]
    return Run(measurements, servers={name: {"sha256": "aa"} for name in rates})
