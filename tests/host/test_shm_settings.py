"""The keys of `[shm]` and of `[models.NAME.shm]`, which override them, in a running daemon."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pytriton_plugins.testing import RunningHost, run_host
from tests.support.paths import MODELS
from tests.support.sandbox.logs import wait_logged
from tests.support.traffic.clients import PROTOCOLS, attempt, infer

MEMORY = MODELS / "memory.py"
MIB = 1 << 20
OTHER = {"initial": '"4MiB"', "max": '"24MiB"', "growth": "100", "on_full": '"wait"', "wait": "4"}
"""Values of `[shm]` that the model's own table overrides."""


@pytest.fixture(params=["shm", "models.echo.shm"])
def table(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@contextlib.contextmanager
def serving(folder: Path, table: str, **keys: str) -> Iterator[RunningHost]:
    """A host with the model echo and these keys in ``table``; for the model's table `[shm]` has other values."""
    lines = [f"[{table}]", *(f"{key} = {value}" for key, value in keys.items())]
    if table != "shm":
        lines += ["[shm]", *(f"{key} = {OTHER[key]}" for key in keys)]
    (folder / "host.toml").write_text("\n".join(lines) + "\n")
    # These two may answer in the policy's place.
    options = [f"--config={folder / 'host.toml'}", "--no-plugin=memory-guard", "--no-plugin=kubernetes"]
    with run_host(f"{MEMORY}:echo", options=options) as host:
        yield host


def numbers(size: int) -> dict[str, NDArray[Any]]:
    return {"x": np.resize(np.arange(251, dtype=np.uint8), (1, size * MIB))}


def comes_back(host: RunningHost, size: int) -> None:
    for protocol in PROTOCOLS:
        assert np.array_equal(infer(host, protocol, "echo", numbers(size))["y"], numbers(size)["x"])


def test_initial(tmp_path: Path, table: str) -> None:
    with serving(tmp_path, table, initial='"6MiB"') as host:
        wait_logged(host, "model echo version 1: serving; shared memory 6.0 MiB for 1 worker")
        comes_back(host, 1)
        assert "shared memory grows" not in host.log
        comes_back(host, 4)
        wait_logged(host, "shared memory grows from 6.0 MiB")


def test_max(tmp_path: Path, table: str) -> None:
    with serving(tmp_path, table, max='"40MiB"') as host:
        for protocol in PROTOCOLS:
            refused = attempt(host, protocol, "echo", numbers(36))
            assert "the limit of the model is 40.0 MiB" in refused.error
            assert refused.status in ("503", "StatusCode.UNAVAILABLE")
        comes_back(host, 12)


@pytest.mark.parametrize(("growth", "grown"), [("1", 18), ("3.5", 36)])
def test_growth(tmp_path: Path, table: str, growth: str, grown: int) -> None:
    with serving(tmp_path, table, growth=growth) as host:
        comes_back(host, 9)
        assert host.stop() == 0
        assert f"shared memory grows from 16.0 MiB to {grown}.0 MiB for a batch of 9.0 MiB" in host.log
        assert host.log.count("shared memory grows") == 2  # in both directions, and never again


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_on_full_and_wait(tmp_path: Path, table: str, protocol: str) -> None:
    """No memory is given back, so the wait ends with a refusal."""
    with serving(tmp_path, table, max='"20MiB"', on_full='"wait"', wait='"700ms"') as host:
        began = time.monotonic()
        refused = attempt(host, protocol, "echo", numbers(16))
        assert refused.error.endswith("; waited 0.7 s for room")
        assert refused.at - began >= 0.7
        comes_back(host, 7)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_total(tmp_path: Path, protocol: str) -> None:
    with serving(tmp_path, "shm", total='"40MiB"') as host:
        refused = attempt(host, protocol, "echo", numbers(36))
        assert refused.error.endswith(
            "32.0 MiB of the 40.0 MiB for all models together are left; raise --shm-total or send less at once"
        )
        comes_back(host, 12)
