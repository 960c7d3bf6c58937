"""Models that fail at the start or at a reload; row 10 of the table of faults."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from pytriton_plugins.testing import RunningHost, run_host, wait_until
from pytriton_plugins.testing.host import PROGRAM
from tests.support.measure.figures import figure
from tests.support.traffic.clients import PROTOCOLS, infer
from tests.support.traffic.load import Load

pytestmark = pytest.mark.counted
GOOD = """
import numpy as np
from pytriton_plugins import Tensor, infer_func

@infer_func(inputs=[Tensor("x", np.float32, (-1,))], outputs=[Tensor("y", np.float32, (-1,))])
def model(x):
    return x * FACTOR

FACTOR = 2
"""
BROKEN = (
    'raise OSError("no weights")',
    "import no_such_module",
    "def model(x): return",
    "not valid Python",
    GOOD.replace("def model(x):", "def model(z):"),
    "import os; os._exit(3)",
    "import ctypes; ctypes.string_at(0)",
    GOOD + "raise MemoryError",
    "model = 1",
    GOOD.replace("@infer_func(", '@infer_func(triton_config={"backend": "python"}, '),
)
X = {"x": np.ones((1, 2), np.float32)}


def models(host: RunningHost, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", PROGRAM, "models", *words, f"--pid={host.process.pid}"]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_a_reload_that_fails_leaves_the_old_one(tmp_path: Path) -> None:
    """A reload fails in ten ways, under load."""
    path, durations = tmp_path / "model.py", []
    path.write_text(GOOD)
    with run_host(path) as host:
        with Load(host, "model", lambda: X, clients=4, pause=0.005) as load:
            for broken in BROKEN:
                path.write_text(broken)
                began = time.monotonic()
                done = models(host, "reload", "model")
                durations.append(time.monotonic() - began)
                assert done.returncode == 1, broken
                assert len(done.stderr.strip().splitlines()[-1:]) == 1
                assert "Traceback" not in done.stderr
                assert infer(host, "grpc", "model", X)["y"].tolist() == [[2, 2]]
                assert host.status("/v2/health/ready") == 200
            path.write_text(GOOD.replace("FACTOR = 2", "FACTOR = 3"))
            assert models(host, "reload", "model").returncode == 0
            assert infer(host, "http", "model", X)["y"].tolist() == [[3, 3]]
        assert load.failed == []
        assert host.stop() == 0
    figure(10, f"a reload that fails ({len(BROKEN)} ways): requests lost", [len(load.failed)], "", 0)
    figure(10, "until the command says so", durations)


@pytest.mark.parametrize("broken", BROKEN, ids=range(len(BROKEN)))
def test_a_model_that_fails_at_the_start(tmp_path: Path, broken: str) -> None:
    """/v2/health/ready stays 400 unless the model is optional."""
    (tmp_path / "good.py").write_text(GOOD.replace("model", "good"))
    (tmp_path / "model.py").write_text(broken)
    with run_host(tmp_path / "good.py", tmp_path / "model.py", ready=False) as host:
        host.wait_settled()
        wait_until(lambda: host.status("/v2/health/ready") == 400, what="not ready")
        for protocol in PROTOCOLS:
            assert infer(host, protocol, "good", X)["y"].tolist() == [[2, 2]]
        assert host.status("/v2/health/ready") == 400
        assert host.stop() == 0
