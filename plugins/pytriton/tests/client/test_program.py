"""A typical script runs as it is; mypy checks it with the whole project."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from pytriton_plugins.testing import RunningHost

PROGRAM = Path(__file__).with_name("program.py")


def test_a_typical_program(host: RunningHost) -> None:
    command = [sys.executable, str(PROGRAM), host.http, f"grpc://{host.grpc}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    missing, results = done.stdout.splitlines()
    assert missing.startswith("model add_sub: missing input b")
    assert results == f"[3.0] {[3 * number for number in range(10)]} [0, 1, 2] (15, [0, 1])"
    assert (done.stderr, done.returncode) == ("", 0)
