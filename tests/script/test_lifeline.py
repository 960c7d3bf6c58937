"""A daemon ends soon after the process that started it, however that ends."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pytriton_plugins.script.lifeline import Lifeline
from pytriton_plugins.testing import wait_until
from pytriton_plugins.testing.host import PROGRAM
from tests.support.paths import MODELS
from tests.support.sandbox.leftovers import Mark
from tests.support.sandbox.ports import can_listen
from tests.support.traffic.clients import texts
from tests.support.traffic.load import Load

LIFE = MODELS / "life.py"
IDLE = {"what": texts(""), "gate": texts("/-")}
SOON = 30.0
"""Seconds after which a wait of these tests fails; an idle machine needs less than one."""

OWNER = f"""
import os, sys, time
from pytriton_plugins.testing import run_host

with run_host({str(LIFE)!r}, options=["--drain-delay=60", "--drain-timeout=60"]) as host:
    if os.fork() == 0:
        time.sleep(600)
    print(*host.ports, flush=True)
    command = sys.stdin.readline().split()
    if command == ["exec"]:
        os.execv("/bin/sleep", ["sleep", "600"])
"""
"""A program with a daemon and a forked child, which holds copies of all its descriptors."""


class Address:
    """Where the daemon of the program listens, as `Load` takes it."""

    def __init__(self, line: str) -> None:
        self.ports = [int(port) for port in line.split()]
        self.http, self.grpc, _ = (f"127.0.0.1:{port}" for port in self.ports)


def owner(mark: Mark) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", OWNER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **mark.env},
    )


def end(mark: Mark) -> None:
    for pid in mark.processes():
        os.kill(pid, 9)


def daemon_side(mark: Mark) -> list[str]:
    """The processes of the daemon; the program, its child and what it executes are others."""
    return [line for line in mark.processes().values() if "run_host" not in line and "sleep" not in line]


def test_nothing_is_left_of_a_program_that_is_killed_under_load() -> None:
    mark = Mark()
    with owner(mark) as process:
        try:
            assert process.stdout is not None
            address = Address(process.stdout.readline())
            with Load(address, "life", lambda: IDLE, pause=0.002) as load:
                wait_until(lambda: load.sent, SOON, "requests are answered")
                assert len(daemon_side(mark)) > 2
                process.kill()
                wait_until(lambda: not daemon_side(mark), SOON, "no process of the daemon is left")
            assert all(map(can_listen, address.ports))
            assert len(mark.processes()) == 1, "the forked child of the program lives on"
        finally:
            end(mark)


def test_nothing_is_left_of_a_program_that_executes_another() -> None:
    mark = Mark()
    with owner(mark) as process:
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdout.readline()
            # The child's copies keep the socket open, so it has to end as well.
            (child,) = [pid for pid, line in mark.processes().items() if "run_host" in line and pid != process.pid]
            os.kill(child, 9)
            process.stdin.write("exec\n")
            process.stdin.flush()
            wait_until(lambda: not daemon_side(mark), SOON, "no process of the daemon is left")
            assert process.poll() is None
        finally:
            end(mark)


def test_the_daemon_announces_its_folder(tmp_path: Path) -> None:
    lifeline = Lifeline()
    command = [sys.executable, "-c", PROGRAM, "serve", str(LIFE), "--http-port=0", "--grpc-port=0", "--metrics-port=0"]
    options = [f"--run-dir={tmp_path}", *lifeline.options]
    with subprocess.Popen([*command, *options], pass_fds=lifeline.inherit, stderr=subprocess.DEVNULL) as daemon:
        try:
            lifeline.handed_over()
            folder = Path(wait_until(lifeline.announced, SOON, "the folder is announced") or "")
            assert folder.parent == tmp_path
            assert (folder / "control.sock").is_socket()
            lifeline.close()
            assert daemon.wait(SOON) == 0
        finally:
            daemon.kill()


@pytest.mark.parametrize("text", ["1", "900,901", "x,y", "1,2,3", "-1,2"])
def test_a_wrong_lifeline_is_refused(text: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "serve", str(LIFE), f"--lifeline={text}"], capture_output=True, text=True
    )
    message = f"pytriton-host: --lifeline {text}: expected two open descriptors, SOCKET,PIDFD\n"
    assert (done.returncode, done.stderr) == (2, message)


def test_no_help_shows_the_private_options() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM, "serve", "--help"], capture_output=True, text=True)
    assert done.returncode == 0
    assert not {"lifeline", "owned", "only-targets", "import-path"} & {word.strip("-") for word in done.stdout.split()}
