"""A real daemon with a pod's variables: its readiness, its stop, its limits."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytriton_plugins.testing import RunningHost, run_host, wait_until

MODEL = """
import threading

import numpy as np
from pytriton_plugins import Tensor, infer_func


@infer_func(inputs=[Tensor("x", np.int32, (1,))], outputs=[Tensor("y", np.int32, (1,))])
def held(x):
    print("a request is held")
    threading.Event().wait()
"""
POD = {"POD_TERMINATION_GRACE_PERIOD": "9", "POD_MEMORY_LIMIT": str(200 << 20)}
DRAIN_TIMEOUT = 9 - 3 - 2  # there is no delay


@pytest.fixture(scope="module")
def switch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pod") / "not-ready"


@pytest.fixture(scope="module")
def host(switch: Path) -> Iterator[RunningHost]:
    """A host that serves a model whose requests never end."""
    model = switch.with_name("model.py")
    model.write_text(MODEL)
    env = {**POD, "POD_NOT_READY_FILE": str(switch)}
    with run_host(model, options=["--drain-delay=0"], env=env, drain_timeout=None) as running:
        running.wait_settled()
        yield running


def ready_is(host: RunningHost, status: int) -> None:
    wait_until(lambda: host.status("/v2/health/ready") == status, what=f"ready is {status}")


def test_the_file_takes_readiness_and_gives_it_back(host: RunningHost, switch: Path) -> None:
    for _ in range(2):
        switch.write_text("the disk is full\n")
        ready_is(host, 400)
        assert host.status("/v2/health/live") == 200
        wait_until(lambda: f"{switch} exists: the disk is full" in host.log, what="the log says why")
        switch.unlink()
        ready_is(host, 200)


def test_the_limit_of_the_model_is_half_of_the_pods(host: RunningHost) -> None:
    command = [sys.executable, "-m", "pytriton_plugins", "status", "--json", "--pid", str(host.process.pid)]
    (model,) = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)["models"]
    assert model["memory"]["max"] == 100 << 20


def send(host: RunningHost) -> None:
    body = {"inputs": [{"name": "x", "datatype": "INT32", "shape": [1, 1], "data": [1]}]}
    request = urllib.request.Request(f"http://{host.http}/v2/models/held/infer", json.dumps(body).encode())
    try:
        urllib.request.urlopen(request, timeout=60).close()
    except urllib.error.HTTPError as error:
        error.close()
    except OSError:
        pass  # the server is gone


def test_the_stop_uses_what_the_grace_period_leaves(host: RunningHost) -> None:
    """A request that never ends gets all of that time, and the host ends before the kubelet kills it."""
    client = threading.Thread(target=send, args=(host,))
    client.start()
    wait_until(lambda: "a request is held" in host.log, 10, "a request is in flight")
    start = time.monotonic()
    assert host.stop() == 0
    duration = time.monotonic() - start
    client.join(60)
    assert DRAIN_TIMEOUT <= duration < 9
    assert (
        "drain-timeout is 4 s, grace-period is 9 s, as hook plugin kubernetes (pytriton-plugins-kubernetes " in host.log
    )
    assert "using a grace period of 9 s from POD_TERMINATION_GRACE_PERIOD; a memory limit of 200.0 MiB" in host.log
