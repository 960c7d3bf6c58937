"""A tritonserver that never answers, and a plugin that says more than fits into one message."""

from __future__ import annotations

from pathlib import Path

from backend import found_server

from pytriton_plugins.testing import run_host

LIFE = Path(__file__).parents[1] / "models" / "life.py"
MANY = """
import numpy as np
from pytriton_plugins import Tensor, infer_func

def declare(number):
    tensors = [Tensor(f"tensor_{i}_" + "x" * 100, np.int32, (1,)) for i in range(20)]
    return infer_func(inputs=tensors, outputs=tensors, name=f"model_{number}")(lambda **inputs: inputs)

for number in range(40):
    globals()[f"model_{number}"] = declare(number)
"""


def test_a_tritonserver_that_never_answers(tmp_path: Path) -> None:
    """Seen red with ten seconds for the first answer, whatever --load-timeout says (host/backend_link.py)."""
    program = tmp_path / "tritonserver"
    program.write_text(f'#!/bin/sh\n[ "$1" = --help ] && exec {found_server().path} --help\nexec sleep 60\n')
    program.chmod(0o755)
    with run_host(LIFE, options=[f"--tritonserver={program}", "--load-timeout=1"], ready=False) as host:
        assert host.process.wait(60) != 0
        assert "tritonserver did not load our backend within 1 s; raise --load-timeout" in host.log
        assert "Traceback" not in host.log


def test_a_plugin_whose_declarations_fit_into_no_message(tmp_path: Path) -> None:
    """Seen red with the size not looked at (worker/link.py): the host only saw that the message was cut."""
    (tmp_path / "many.py").write_text(MANY)
    with run_host(tmp_path / "many.py", options=["--import-timeout=20"], ready=False) as host:
        host.wait_settled(10)
        assert "are the most; use shorter names or spread them over several plugins" in host.output
        assert host.stop() == 0
