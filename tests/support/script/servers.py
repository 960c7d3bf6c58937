"""Runs programs that serve, and finds their addresses."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from pytriton_plugins.testing import wait_until

LIMIT = 120.0


def environment(folder: Path) -> dict[str, str]:
    """Any free ports of this machine only, which the server writes into ``host.json`` in ``folder``."""
    ports = {
        f"PYTRITON_{of}_{name}_PORT": "0" for of in ("TRITON_CONFIG", "HOST") for name in ("HTTP", "GRPC", "METRICS")
    }
    return {**os.environ, **ports, "PYTRITON_HOST_ADDRESS": "127.0.0.1", "PYTRITON_HOST_RUN_DIR": str(folder)}


@contextlib.contextmanager
def running(
    script: Path, *arguments: str, folder: Path, stop: signal.Signals = signal.SIGTERM
) -> Iterator[subprocess.Popen[str]]:
    """A program that serves until the signal ``stop``, and then ends in order."""
    command = [sys.executable, str(script), *arguments]
    process = subprocess.Popen(command, env=environment(folder), stderr=subprocess.PIPE, text=True)
    with process:
        try:
            yield process
            process.send_signal(stop)
            error = process.communicate(timeout=LIMIT)[1]
            assert process.returncode == 0, error
        finally:
            process.kill()


def urls(process: subprocess.Popen[str], folder: Path) -> dict[str, str]:
    """The addresses of a server, once it has them."""
    file = folder / "host.json"
    wait_until(lambda: file.exists() or process.poll() is not None, LIMIT, "the server has its ports")
    assert process.poll() is None, process.communicate()[1]
    found = json.loads(file.read_text())
    return {protocol: f"{protocol}://127.0.0.1:{found[protocol]}" for protocol in ("http", "grpc")}
