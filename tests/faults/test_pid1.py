"""The host as process 1 of a container, and orphans of plugins."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pytriton_plugins.testing import run_host, wait_until
from tests.support.paths import MODELS
from tests.support.sandbox.inits import AS_PID_1, daemon_below, leave_orphans, pid_1_of
from tests.support.sandbox.leftovers import Mark, descendants, ports_taken, zombies

LIFE = MODELS / "life.py"
CONTROL = f"""
import sys
sys.path.insert(0, {str(LIFE.parent)!r})
from life import double_fork
double_fork(100)
print("done", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_signals_are_honoured_and_no_process_stays_a_zombie(tmp_path: Path, number: signal.Signals) -> None:
    """Process 1 passes on signals and reaps all orphans."""
    mark = Mark()
    with run_host(LIFE, prefix=AS_PID_1, env=mark.env) as host:
        init = pid_1_of(host)
        before = descendants(init).keys()
        leave_orphans(host, tmp_path)
        wait_until(lambda: descendants(init).keys() == before, what="every orphan has ended and is reaped")
        assert zombies(init) == 0
        os.kill(init, number)
        assert host.process.wait(60) == 0
        assert mark.processes() == {}
        assert ports_taken(host) == []


def test_a_bare_python_as_process_1_keeps_a_hundred_zombies() -> None:
    """A control: without an init these tests would find zombies."""
    command = [*AS_PID_1, sys.executable, "-c", CONTROL]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as control:
        assert control.stdout is not None
        assert control.stdout.readline() == b"done\n"
        wait_until(lambda: zombies(control.pid) == 100, what="a hundred zombies")
        control.communicate()
    assert control.returncode == 0


def test_the_host_reaps_orphans_without_being_process_1(tmp_path: Path) -> None:
    with run_host(LIFE) as host:
        leave_orphans(host, tmp_path)
        wait_until(lambda: len(descendants(host.process.pid)) == 2, what="only tritonserver and the worker are left")
        assert zombies(host.process.pid) == 0


def test_the_exit_code_of_a_failed_start_is_passed_on() -> None:
    with run_host(LIFE, options=["--tritonserver=/none"], prefix=AS_PID_1, ready=False) as host:
        assert host.process.wait(60) == 1


def test_a_killed_host_ends_process_1_with_its_signal() -> None:
    mark = Mark()
    with run_host(LIFE, prefix=AS_PID_1, env=mark.env) as host:
        init = pid_1_of(host)
        os.kill(daemon_below(init, mark), signal.SIGKILL)
        assert host.process.wait(60) == 128 + signal.SIGKILL
        wait_until(lambda: mark.processes() == {}, what="the namespace is empty")
