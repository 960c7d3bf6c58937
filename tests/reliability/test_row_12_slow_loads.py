"""Eight slow models load at the same time: tritonserver stays live; row 12 of the table of faults."""

from __future__ import annotations

import statistics
import time

import numpy as np

from pytriton_plugins.testing import run_host, wait_until
from tests.support.measure.figures import FULL, figure
from tests.support.paths import MODELS
from tests.support.sandbox.cgroups import SHARES, cgroup
from tests.support.traffic.clients import PROTOCOLS, infer
from tests.support.traffic.live_probe import probing

SLOW = MODELS / "slow.py"
LOADS = 8
SETUP = 3.0
RUNS = 10 if FULL else 1
LEAST = 100
"""Answers of which one in a hundred may be late."""


def loaded() -> tuple[float, dict[str, list[float]]]:
    """The seconds until eight slow models serve, and the durations of the answers meanwhile, by protocol."""
    with (
        cgroup("cpu", {"cpu.shares": SHARES}) as ours,
        run_host(SLOW, env={"SLOW_SETUP": str(SETUP)}, ready=False, prefix=ours.prefix) as host,
    ):
        wait_until(lambda: host.status("/v2/health/live") == 200, 30, "the server lives")
        began = time.monotonic()
        with probing("http", host.http, ours.prefix) as by_http, probing("grpc", host.grpc, ours.prefix) as by_grpc:
            host.wait_ready()
            duration = time.monotonic() - began
            answers = {"http": by_http(), "grpc": by_grpc()}
        wait_until(lambda: host.log.count("serving; shared memory") == LOADS, what="the log has each of them")
        for protocol in PROTOCOLS:
            assert all(is_live for _, is_live in answers[protocol])
            assert len(answers[protocol]) > LEAST
            infer(host, protocol, "slow_7", {"x": np.ones((1, 1), np.float32)})
    return duration, {protocol: [each for each, _ in answers[protocol]] for protocol in PROTOCOLS}


def test_live_is_answered_soon() -> None:
    runs = [loaded() for _ in range(RUNS)]
    what = f"{LOADS} models at once, each with a set-up that computes for {SETUP:g} s and 258 instances: until ready"
    figure(12, what, [duration for duration, _ in runs])
    for protocol in PROTOCOLS:
        figure(12, f"worst over {protocol}", [max(answers[protocol]) * 1000 for _, answers in runs], "ms")
        late = [statistics.quantiles(answers[protocol], n=100)[-1] * 1000 for _, answers in runs]
        figure(12, f"meanwhile p99 of live over {protocol}", late, "ms", 100)
