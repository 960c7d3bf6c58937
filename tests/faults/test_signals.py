"""The signals that a session, a terminal, a service manager or an operator may send to the daemon."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pytriton_plugins.testing import RunningHost, run_host, wait_until
from tests.support.paths import MODELS
from tests.support.sandbox.inits import AS_PID_1, children, pid_1_of
from tests.support.sandbox.terminals import ON_A_TERMINAL, close_terminal, press_ctrl_c
from tests.support.traffic.clients import Crowd, Gate, attempt, texts

LIFE = MODELS / "life.py"
NOTHING = {"what": texts(""), "gate": texts("/-")}
STRAY = [signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM, signal.SIGPROF, signal.SIGIO]


@contextlib.contextmanager
def answered_in_spite_of(host: RunningHost, folder: Path) -> Iterator[None]:
    """A request runs during the block; it is answered, and only then the daemon ends, with exit code 0."""
    gate = Gate(folder / "gate")
    with Crowd(host, 1) as crowd:
        held = crowd.send("life", {"what": texts("wait"), "gate": gate.tensor})
        wait_until(gate.is_reached, 30, "the callable runs")
        yield
        wait_until(lambda: "waiting for 1 request in flight" in host.log, 30, "the stop waits")
        gate.open()
        assert held.result(30).error == ""
        assert host.process.wait(30) == 0
    assert "again" not in host.log


def test_a_hang_up_stops_in_order_and_stray_signals_do_nothing(tmp_path: Path) -> None:
    """SIGHUP stops the daemon normally; a second one, which an ending session sends, does not abort the stop."""
    with run_host(LIFE, drain_timeout=None) as host, answered_in_spite_of(host, tmp_path):
        for number in STRAY:
            host.process.send_signal(number)
        messages = [f"{number.name} is ignored; SIGTERM stops the daemon" for number in STRAY]
        wait_until(lambda: all(line in host.log for line in messages), 30, "each is logged")
        host.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "stopping" in host.log, 30, "it stops")
        host.process.send_signal(signal.SIGHUP)


def test_signals_that_nohup_ignores_stay_ignored() -> None:
    """SIGHUP stays ignored; SIGXCPU (the limit of processor time) ends the daemon with exit code 1."""
    with run_host(LIFE, prefix=["nohup"]) as host:
        host.process.send_signal(signal.SIGHUP)
        host.process.send_signal(signal.SIGUSR1)
        wait_until(lambda: "SIGUSR1 is ignored" in host.log, 30, "both signals are heard")
        assert attempt(host, "grpc", "life", NOTHING).error == ""
        assert "stopping" not in host.log
        host.process.send_signal(signal.SIGXCPU)
        assert host.process.wait(30) == 1
        assert "SIGXCPU: the limit of processor time is reached (ulimit -t): stopping" in host.log


def test_quit_does_not_wait(tmp_path: Path) -> None:
    """SIGQUIT stops the daemon without a wait for requests."""
    gate = Gate(tmp_path / "gate")
    with run_host(LIFE, drain_timeout=None) as host, Crowd(host, 1) as crowd:
        held = crowd.send("life", {"what": texts("wait"), "gate": gate.tensor})
        wait_until(gate.is_reached, 30, "the callable runs")
        assert host.stop(signal.SIGQUIT) == 0
        assert held.result(30).error == "model life: the server is stopping"
        assert "SIGQUIT: stopping without waiting" in host.log


@pytest.mark.parametrize("act", [press_ctrl_c, close_terminal], ids=lambda act: act.__name__)
def test_a_terminal(tmp_path: Path, act: Callable[[RunningHost], None]) -> None:
    """With process 1 on a terminal (docker run -it) Ctrl-C sends SIGINT to init and daemon; it counts once."""
    as_process_1 = AS_PID_1 if act is press_ctrl_c else []
    prefix = [*ON_A_TERMINAL, *as_process_1]
    with run_host(LIFE, prefix=prefix, drain_timeout=None) as host, answered_in_spite_of(host, tmp_path):
        act(host)


def test_an_init_passes_on_signals_of_a_service_manager(tmp_path: Path) -> None:
    """Our init passes on every signal."""
    with run_host(LIFE, prefix=AS_PID_1, drain_timeout=None) as host, answered_in_spite_of(host, tmp_path):
        init = pid_1_of(host)
        os.kill(init, signal.SIGALRM)
        wait_until(lambda: "SIGALRM is ignored" in host.log, 30, "it is handed on")
        assert len(children(init)) == 1
        os.kill(init, signal.SIGPWR)
