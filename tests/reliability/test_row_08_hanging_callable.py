"""Callables that never return, with and without the GIL; row 8 of the table of faults."""

from __future__ import annotations

import time

import numpy as np
import pytest

from pytriton_plugins.testing import RunningHost, run_host, wait_until
from tests.support.measure.figures import FULL, figure
from tests.support.paths import MODELS
from tests.support.traffic.clients import PROTOCOLS, attempt
from tests.support.traffic.load import Load
from tests.support.traffic.scrape import value, workers

STUCK = MODELS / "stuck.py"
HOSTS, HANGS = (3 if FULL else 1), 4
"""A worker that ends a fifth time within a minute is not replaced at once."""

WORKERS = 2
TIMEOUT = 1.0
HANGS_ONCE = {"x": np.array([[1]], np.float32)}


@pytest.mark.parametrize(("how", "kind"), [(1.0, "it waits"), (2.0, "it holds the GIL")])
def test_callables_that_never_return(how: float, kind: str) -> None:
    freed, replaced = [], []
    for _ in range(HOSTS):
        with (
            run_host(STUCK, options=[f"--workers={WORKERS}"]) as host,
            Load(host, "other", lambda: {"x": np.zeros((1, 1), np.float32)}, clients=4, pause=0.005) as other,
        ):
            for number in range(HANGS):
                seconds = hang(host, PROTOCOLS[number % 2], how, number)
                freed.append(seconds[0])
                replaced.append(seconds[1])
            other.stop()
            assert other.failed == []
            told = "did not return within the timeout of 1 s; worker"
            wait_until(lambda: host.log.count(told) == HANGS, what="the log has each of them")  # noqa: B023
            assert host.status("/v2/health/ready") == 200
    assert min(freed) >= 0
    # The fourth end within a minute is followed by a pause of 2 s (`pytriton_choose_restart`).
    figure(8, f"callable hangs ({kind}): until its client is freed, beyond the timeout", freed, limit=0.3)
    figure(8, f"callable hangs ({kind}): until another worker serves", replaced, limit=3.0)


def hang(host: RunningHost, protocol: str, how: float, before: int) -> tuple[float, float]:
    """Let a callable hang, after ``before`` others: the seconds beyond its timeout until the client gets an error, then
    until another worker serves.
    """
    began = time.monotonic()
    failed = attempt(host, protocol, "stuck", {"x": np.array([[how]], np.float32)})
    assert "did not return within the model's timeout of 1 s" in failed.error
    shown = {"model": "stuck", "version": "1"}
    wait_until(
        lambda: (
            value(host.metrics, "pytriton_worker_restarts_total", **shown) == before + 1
            and workers(host.metrics, "stuck") == WORKERS
        ),
        what="as many workers as before",
    )
    return failed.at - began - TIMEOUT, time.monotonic() - failed.at


@pytest.mark.counted
def test_a_model_that_hangs_repeatedly_does_not_harm_the_others() -> None:
    """A model that hangs again and again does not disturb other models."""
    with run_host(STUCK, options=["--workers=4"]) as host:
        rests = "the other workers serve on, and another is started in 30 s"
        wait_until(lambda: rests in host.log or not attempt(host, "grpc", "stuck", HANGS_ONCE), 60)
        for protocol in PROTOCOLS:
            assert attempt(host, protocol, "stuck", {"x": np.array([[5]], np.float32)}).error == ""
        assert host.status("/v2/health/ready") == 200
