"""A tritonserver that never answers, and a plugin whose declaration is too large for the daemon."""

from __future__ import annotations

from pathlib import Path

from pytriton_plugins.testing import run_host
from tests.support.backend.server import found_server
from tests.support.paths import MODELS

LIFE = MODELS / "life.py"
MANY = """
import numpy as np
from pytriton_plugins import Tensor, infer_func

def declare(number):
    tensors = [Tensor(f"tensor_{i}_" + "x" * 8000, np.int32, (1,)) for i in range(12)]
    return infer_func(inputs=tensors, outputs=tensors, name=f"model_{number}")(lambda **inputs: inputs)

for number in range(90):
    globals()[f"model_{number}"] = declare(number)
"""


def test_a_tritonserver_that_never_answers(tmp_path: Path) -> None:
    program = tmp_path / "tritonserver"
    program.write_text(f'#!/bin/sh\n[ "$1" = --help ] && exec {found_server().path} --help\nexec sleep 60\n')
    program.chmod(0o755)
    with run_host(LIFE, options=[f"--tritonserver={program}", "--load-timeout=1"], ready=False) as host:
        assert host.process.wait(60) != 0
        assert "tritonserver did not load our backend within 1 s; raise --load-timeout" in host.log
        assert "Traceback" not in host.log


def test_a_plugin_that_declares_more_than_the_daemon_reads(tmp_path: Path) -> None:
    (tmp_path / "many.py").write_text(MANY)
    with run_host(tmp_path / "many.py", options=["--import-timeout=20"], ready=False) as host:
        host.wait_settled()
        assert "at most 16777216 are allowed; use shorter names" in host.output
        assert host.stop() == 0
