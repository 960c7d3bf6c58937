"""The daemon has no descriptor left for a moment: what it serves continues, and it goes on as soon as it can."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytriton_plugins.host.control.client import connected
from pytriton_plugins.host.control.paths import ATTACH_SOCKET, CONTROL_SOCKET
from pytriton_plugins.testing import RunningHost, run_host, wait_until
from tests.support.paths import MODELS
from tests.support.traffic.clients import Crowd, infer, texts

REQUEST = {"what": texts(""), "gate": texts("/-")}
REMEDY = "Too many open files; raise the hard limit (ulimit -Hn, LimitNOFILE= of systemd, --ulimit nofile= of docker"
CLIENTS = 3


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of its own, so that no command of another test connects to this daemon."""
    return tmp_path_factory.mktemp("run")


@pytest.fixture(scope="module")
def host(run_dir: Path) -> Iterator[RunningHost]:
    with run_host(MODELS / "life.py", options=[f"--run-dir={run_dir}", "--allow=attach"]) as host:
        host.wait_settled()
        yield host
        assert host.stop() == 0


@pytest.fixture
def folder(host: RunningHost, run_dir: Path) -> Path:
    """The daemon's own, with its sockets."""
    (control,) = run_dir.glob(f"*/{CONTROL_SOCKET}")
    return control.parent


@contextlib.contextmanager
def no_descriptors(host: RunningHost) -> Iterator[None]:
    """Inside, the daemon gets no further descriptor."""
    soft, hard = resource.prlimit(host.process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(host.process.pid, resource.RLIMIT_NOFILE, (3, hard))
    try:
        yield
    finally:
        resource.prlimit(host.process.pid, resource.RLIMIT_NOFILE, (soft, hard))


def test_a_new_worker_starts_as_soon_as_it_can(host: RunningHost) -> None:
    with Crowd(host, 1) as crowd:
        first = infer(host, "grpc", "life", REQUEST)["pid"].item()
        with no_descriptors(host):
            os.kill(first, signal.SIGKILL)
            wait_until(lambda: f"no worker can be started: {REMEDY}" in host.log, what="the log tells it")
            waiting = crowd.send("life", REQUEST)
        assert waiting.result().error == ""
        wait_until(lambda: host.status("/v2/health/ready") == 200, 5, "ready again")


def test_clients_of_the_control_socket_wait_and_are_answered(host: RunningHost, folder: Path) -> None:
    """The log has one line, however many clients come and however often the daemon tries to accept them."""
    with contextlib.ExitStack() as clients:
        with no_descriptors(host):
            for _ in range(CLIENTS):
                connection = connected(str(folder), 5)
                assert connection is not None
                last = clients.enter_context(contextlib.closing(connection))
            wait_until(lambda: f"control.sock: no connection can be accepted, clients wait: {REMEDY}" in host.log)
        assert last.ask({"command": "health", "check": "live"}, 30)["ok"]
    wait_until(lambda: "control.sock: connections are accepted again" in host.log)
    assert host.log.count("control.sock: no connection") == 1


def test_a_process_that_attaches_waits(host: RunningHost, folder: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
        with no_descriptors(host):
            sock.connect(str(folder / ATTACH_SOCKET))
            wait_until(lambda: f"attach.sock: no connection can be accepted, clients wait: {REMEDY}" in host.log)
        wait_until(lambda: "attach.sock: connections are accepted again" in host.log)
