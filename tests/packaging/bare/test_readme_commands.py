"""Both commands of README.md, word for word, on a machine that has Debian's python3, pip and venv and nothing else.

Runs in `tox -e bare`, as root, with mmdebstrap and unshare; the first command's ports 8000 to 8002 must be free.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import tritonclient.grpc
import tritonclient.http

from tests.support.docs import readme
from tests.support.sandbox.bare_root import BareRoot
from tests.support.sandbox.ports import can_listen

SAMPLES = readme.ROOT / "examples/file-type/tests/samples"
PORTS = (8000, 8001, 8002)
POLL = 0.2


@pytest.fixture(scope="module")
def bare_root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BareRoot]:
    if os.geteuid() != 0 or shutil.which("mmdebstrap") is None:
        pytest.fail("this environment needs root and mmdebstrap: apt-get install mmdebstrap")
    root = BareRoot(tmp_path_factory.mktemp("bare") / "root")
    yield root
    shutil.rmtree(root.path)


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[bytes], log: Path, seconds: float) -> None:
    """Wait until ``condition`` holds; fail with the end of ``log`` if ``process`` ends first or time runs out."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline or process.poll() is not None:
            pytest.fail(f"exit status {process.poll()} while waiting; it printed:\n{log.read_text()[-6000:]}")
        # Gives the processor away between two looks; ends early if the process does.
        try:
            process.wait(POLL)
        except subprocess.TimeoutExpired:
            continue


def ready() -> bool:
    try:
        with urllib.request.urlopen("http://127.0.0.1:8000/v2/health/ready", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


def daemon_pid(ancestor: int) -> int:
    """The pytriton-host that runs below ``ancestor``: of all its processes the one nearest to it."""
    children = [ancestor]
    while children:
        for pid in children:
            arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if any(argument.endswith(b"bin/pytriton-host") for argument in arguments[:2]):
                return pid
        children = [int(child) for pid in children for child in _children(pid)]
    pytest.fail("there is no pytriton-host process")


def _children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def file_contents() -> dict[str, bytes]:
    contents = {path.name: path.read_bytes() for path in SAMPLES.iterdir()}
    return {**contents, "elf": Path(sys.executable).resolve().read_bytes()}


def ask_file_type(protocol: ModuleType, url: str) -> dict[str, str]:
    """The label that the served model gives each real file, asked one by one."""
    with protocol.InferenceServerClient(url) as client:
        return {label: _label_of(protocol, client, content) for label, content in file_contents().items()}


def _label_of(protocol: ModuleType, client: tritonclient.http.InferenceServerClient, content: bytes) -> str:
    tensor = protocol.InferInput("content", [1, 1], "BYTES")
    tensor.set_data_from_numpy(np.array([[content]], dtype=object))
    result = client.infer("file_type", [tensor])
    assert 0.0 < result.as_numpy("score").item() <= 1.0
    assert "/" in result.as_numpy("mime_type").item().decode()
    return str(result.as_numpy("label").item().decode())


def ask_add_sub(protocol: ModuleType, url: str) -> tuple[list[float], list[float]]:
    with protocol.InferenceServerClient(url) as client:
        tensors = [protocol.InferInput(name, [1, 3], "FP32") for name in ("a", "b")]
        tensors[0].set_data_from_numpy(np.array([[1.5, 2.0, -3.0]], dtype=np.float32))
        tensors[1].set_data_from_numpy(np.array([[0.25, 20.0, 3.0]], dtype=np.float32))
        result = client.infer("add_sub", tensors)
        return result.as_numpy("sum")[0].tolist(), result.as_numpy("difference")[0].tolist()


def test_the_first_command_serves_both_models(bare_root: BareRoot, tmp_path: Path) -> None:
    assert all(map(can_listen, PORTS)), f"ports {PORTS} are in use on this machine"
    bare_root.copy_source(readme.ROOT, "serve")
    log = tmp_path / "serve.log"
    started = time.monotonic()
    command = bare_root.start(readme.commands()[0], "serve", log)
    try:
        wait_for(ready, command, log, seconds=480)
        print(f"\nfrom a bare root file system to ready: {time.monotonic() - started:.0f} s")
        expected = {label: label for label in file_contents()}
        assert len(expected) >= 8
        for protocol, url in ((tritonclient.http, "127.0.0.1:8000"), (tritonclient.grpc, "127.0.0.1:8001")):
            assert ask_file_type(protocol, url) == expected
            assert ask_add_sub(protocol, url) == ([1.75, 22.0, 0.0], [1.25, -18.0, -6.0])
        os.kill(daemon_pid(command.pid), signal.SIGTERM)
        assert command.wait(20) == 0, log.read_text()[-6000:]
    finally:
        command.kill()
        command.wait()
    assert "LEFT " not in log.read_text(), log.read_text()[-2000:]
    assert all(map(can_listen, PORTS))


def test_the_second_command_is_green(bare_root: BareRoot, tmp_path: Path) -> None:
    bare_root.copy_source(readme.ROOT, "check")
    log = tmp_path / "check.log"
    command = bare_root.start(readme.commands()[1], "check", log)
    try:
        code = command.wait(1200)
    finally:
        command.kill()
        command.wait()
    printed = log.read_text()
    assert code == 0, printed[-20000:]
    (closing,) = [line for line in printed.splitlines() if line.startswith("=") and " passed" in line]
    print(f"\non a bare root file system: {closing.strip('= ')}")
    assert "LEFT " not in printed
