"""A callable that does not return: its client gets an error, its worker is replaced, other models continue."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from pytriton_plugins.testing import RunningHost, run_host, wait_until
from tests.support.paths import MODELS
from tests.support.traffic.clients import PROTOCOLS, attempt, infer

STUCK = MODELS / "stuck.py"


@pytest.fixture(scope="module")
def host() -> Iterator[RunningHost]:
    with run_host(STUCK) as running:
        yield running


def x(value: float) -> dict[str, np.ndarray]:
    return {"x": np.array([[value]], np.float32)}


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("how", [1, 2], ids=["waiting", "with the GIL"])
def test_a_callable_that_never_returns(host: RunningHost, protocol: str, how: int) -> None:
    with ThreadPoolExecutor(2) as clients:
        killed = host.log.count("did not return within the timeout of 1 s; worker")
        began = time.monotonic()
        sent = clients.submit(attempt, host, protocol, "stuck", x(how))
        while not sent.done():
            assert infer(host, protocol, "other", x(5))["y"] == [[5]]
        failed = sent.result()
        assert failed.error.endswith("model stuck: the callable did not return within the model's timeout of 1 s")
        assert failed.status in ("500", "StatusCode.INTERNAL")
        assert failed.at - began >= 1.0
        assert infer(host, protocol, "stuck", x(3))["y"] == [[3]]
    wait_until(lambda: host.log.count("did not return within the timeout of 1 s; worker") == killed + 1)
    wait_until(lambda: host.status("/v2/health/ready") == 200)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_file_goes_before_the_code(tmp_path: Path, protocol: str) -> None:
    """The timeout of the configuration file overrides the one in the code."""
    (tmp_path / "host.toml").write_text("[models.stuck]\ntimeout = '200ms'\n")
    with run_host(f"{STUCK}:stuck", options=[f"--config={tmp_path / 'host.toml'}"]) as host:
        failed = attempt(host, protocol, "stuck", x(1))
        assert "timeout of 0.2 s" in failed.error
