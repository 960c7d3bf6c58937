"""The backend's answer to servers that ask each instance whether it is ready.

The tritonserver of these tests does not ask (2.65 and newer do), so a preloaded library asks in its place.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytriton_plugins.testing import RunningHost, run_host, wait_until
from tests.support.backend.server import found_server
from tests.support.paths import MODELS
from tests.support.sandbox.leftovers import Mark

LIFE = MODELS / "life.py"
SOURCE = Path(__file__).parents[1] / "support" / "backend" / "newer_server.c"
CALLS = """
import os, time
import numpy as np
from pathlib import Path
from pytriton_plugins import Tensor, infer_func

while Path({hold!r}).exists():
    time.sleep(0.01)

Path({pid_file!r}).write_text(str(os.getpid()))

@infer_func(inputs=[Tensor("x", np.float32, (-1,))], outputs=[Tensor("y", np.float32, (-1,))])
def embed(x):
    return x
"""


@pytest.fixture(scope="module")
def newer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tritonserver that asks its instances, as 2.65 and newer do."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a C compiler")
    folder = tmp_path_factory.mktemp("newer")
    library, server = folder / "newer.so", folder / "tritonserver"
    subprocess.run([compiler, "-shared", "-fPIC", "-Wall", "-Werror", "-o", library, SOURCE, "-ldl"], check=True)
    server.write_text(f'#!/bin/sh\nLD_PRELOAD={library} exec {found_server().path} "$@"\n')
    server.chmod(0o755)
    return server


def answers(path: Path) -> set[str]:
    """The answers of the instances."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(path))
        return set(sock.makefile().read().splitlines())


@pytest.fixture
def asked(newer: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[tuple[RunningHost, Mark, Path]]:
    mark, path = Mark(), tmp_path / "asked"
    options = [f"--tritonserver={newer}", *request.param]
    with run_host(LIFE, options=options, env={**mark.env, "NEWER_SERVER": str(path)}) as host:
        wait_until(lambda: answers(path) == {"ready"}, what="the instances are asked and ready")
        yield host, mark, path


def give_up(host: RunningHost, mark: Mark) -> None:
    """Give the model up: no further worker is started for it."""

    def kill() -> bool:
        for pid in mark.workers():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return "ended 5 times within 60 s" in host.log

    wait_until(kill, 60, "the model is given up")
    wait_until(lambda: not mark.workers(), what="no worker is there")


@pytest.mark.parametrize("asked", [[]], indirect=True)
def test_a_model_without_a_live_worker_is_not_ready(asked: tuple[RunningHost, Mark, Path]) -> None:
    host, mark, path = asked
    give_up(host, mark)
    wait_until(lambda: answers(path) == {"the model has no live worker"}, 20, "the instances say so")
    wait_until(lambda: host.status("/v2/health/ready") == 400, 20, "not ready")


def test_a_model_whose_callee_has_no_live_worker_is_not_ready(newer: Path, tmp_path: Path) -> None:
    mark, path, hold = Mark(), tmp_path / "asked", tmp_path / "hold"
    pid_file = tmp_path / "pid"
    (tmp_path / "calls.py").write_text(CALLS.format(hold=str(hold), pid_file=str(pid_file)))
    env = {**mark.env, "NEWER_SERVER": str(path)}
    with run_host(
        tmp_path / "calls.py", f"{MODELS / 'callers.py'}:middle", options=[f"--tritonserver={newer}"], env=env
    ):
        wait_until(lambda: answers(path) == {"ready"}, 20, "the instances are asked and ready")
        hold.touch()
        os.kill(int(pid_file.read_text()), signal.SIGKILL)
        expected = {"the model has no live worker", "a model that the model calls is not served"}
        wait_until(lambda: answers(path) == expected, 20, "both models say so")
        hold.unlink()
        wait_until(lambda: answers(path) == {"ready"}, 20, "they are ready again")


@pytest.mark.parametrize("asked", [["--optional=life"]], indirect=True)
def test_a_model_that_is_not_required_is_ready_all_the_same(asked: tuple[RunningHost, Mark, Path]) -> None:
    """The server's readiness depends on all instances, so an optional model stays ready."""
    host, mark, path = asked
    give_up(host, mark)
    seen = set()
    until = time.monotonic() + 1
    while time.monotonic() < until:
        seen |= answers(path)
    assert seen == {"ready"}
    assert host.status("/v2/health/ready") == 200
