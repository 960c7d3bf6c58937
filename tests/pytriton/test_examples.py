"""Scripts and clients that were written for PyTriton run as they are; only the distribution is another one."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytriton_plugins.testing import wait_until

EXAMPLES = Path(__file__).parent / "examples"
NAMES = sorted(path.name for path in EXAMPLES.iterdir() if (path / "server.py").exists())
STREAMS = ("decoupled_stream",)
LIMIT = 120.0


def environment(folder: Path) -> dict[str, str]:
    """Any free ports of this machine only, which the server writes into ``host.json`` in ``folder``."""
    ports = {f"PYTRITON_TRITON_CONFIG_{name}_PORT": "0" for name in ("HTTP", "GRPC", "METRICS")}
    return {**os.environ, **ports, "PYTRITON_HOST_ADDRESS": "127.0.0.1", "PYTRITON_HOST_RUN_DIR": str(folder)}


@contextlib.contextmanager
def running(script: Path, *arguments: str, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A program that serves until SIGTERM, and then ends in order."""
    command = [sys.executable, str(script), *arguments]
    process = subprocess.Popen(command, env=environment(folder), stderr=subprocess.PIPE, text=True)
    with process:
        try:
            yield process
            process.send_signal(signal.SIGTERM)
            error = process.communicate(timeout=LIMIT)[1]
            assert process.returncode == 0, error
        finally:
            process.kill()


def urls(process: subprocess.Popen[str], folder: Path) -> dict[str, str]:
    """The addresses of a server, once it has them."""
    file = folder / "host.json"
    wait_until(lambda: file.exists() or process.poll() is not None, LIMIT, "the server has its ports")
    assert process.poll() is None, process.communicate()[1]
    ports = json.loads(file.read_text())["ports"]
    return {protocol: f"{protocol}://127.0.0.1:{ports[protocol]}" for protocol in ("http", "grpc")}


@pytest.mark.parametrize("name", NAMES)
def test_an_example_serves_its_client(name: str, tmp_path: Path) -> None:
    example = EXAMPLES / name
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(running(example / "server.py", folder=tmp_path))
        url = urls(server, tmp_path)
        if (example / "worker.py").exists():
            stack.enter_context(running(example / "worker.py", "--url", url["http"], folder=tmp_path))
        for protocol in ("grpc",) if name in STREAMS else ("http", "grpc"):
            command = [sys.executable, str(example / "client.py"), "--url", url[protocol]]
            done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT)
            assert done.returncode == 0, done.stderr


def test_ten_examples_and_more_are_here() -> None:
    assert len(NAMES) >= 10
