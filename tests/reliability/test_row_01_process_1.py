"""The host as process 1 without an init, in a namespace and in a real container; row 1 of the table of faults."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from pytriton_plugins.testing import RunningHost, run_host, wait_until
from pytriton_plugins.testing.host import PROGRAM
from tests.support.measure.figures import FULL, figure
from tests.support.paths import MODELS
from tests.support.sandbox.containers import Container, container
from tests.support.sandbox.inits import AS_PID_1, ORPHANS, daemon_below, leave_orphans, pid_1_of
from tests.support.sandbox.leftovers import Mark, ports_taken, zombies

LIFE = MODELS / "life.py"
RUNS = 10 if FULL else 4
IN_CONTAINERS = RUNS if FULL else 3
REAPED_WITHIN = 1.0
STOPPED_WITHIN = 5.0

INITS = {"tini": ["tini", "--"], "dumb-init": ["dumb-init", "--"], "catatonit": ["catatonit", "--"]}
FAILED_START, KILLED = "the start fails", "the daemon is killed"
CASES = {signal.SIGTERM.name: 0, signal.SIGINT.name: 0, FAILED_START: 1, KILLED: 128 + signal.SIGKILL}


def needs(*programs: str) -> None:
    """Skip the test if one of these programs is not installed."""
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"needs Debian's {program}")


def stopped(host: RunningHost, init: int) -> float:
    """Seconds from SIGTERM to process 1 until its end with exit code 0."""
    began = time.monotonic()
    os.kill(init, signal.SIGTERM)
    assert host.process.wait(20) == 0, host.log
    return time.monotonic() - began


def unreaped(init: int) -> int:
    """The number of zombies that stay."""
    began = time.monotonic()
    wait_until(lambda: zombies(init) == 0 or time.monotonic() - began > REAPED_WITHIN)
    return zombies(init)


def test_in_a_namespace(tmp_path: Path) -> None:
    left, durations = [], []
    for _ in range(RUNS):
        mark = Mark()
        with run_host(LIFE, prefix=AS_PID_1, env=mark.env) as host:
            init = pid_1_of(host)
            leave_orphans(host, tmp_path)
            left.append(unreaped(init))
            durations.append(stopped(host, init))
            assert (mark.processes(), ports_taken(host)) == ({}, [])
    figure(1, f"namespace: zombies after {ORPHANS} double forks of a plugin", left, "", 0)
    figure(1, "namespace: SIGTERM to process 1 until exit code 0", durations, limit=STOPPED_WITHIN)


def ask(box: Container, *arguments: str) -> None:
    done = box.run(sys.executable, "-c", PROGRAM, *arguments)
    assert done.returncode == 0, done.stderr


def limits(pid: int) -> dict[str, str]:
    """The rights of a process: user, capabilities of all kinds, new privileges."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    fields = dict(line.split(":\t", 1) for line in lines)
    return {name: fields[name] for name in ("NSpid", "Uid", "CapPrm", "CapEff", "CapBnd", "NoNewPrivs")}


def test_in_a_container(tmp_path: Path) -> None:
    needs("runc")
    left, durations = [], []
    for number in range(IN_CONTAINERS):
        mark = Mark()
        with (
            container(tmp_path / str(number)) as box,
            run_host(LIFE, prefix=box.prefix, env=mark.env, ready=False, lifeline=False) as host,
        ):
            host.wait_settled()
            assert host.process.poll() is None, host.log
            none = "0" * 16
            assert limits(box.pid) == {
                **{"NSpid": f"{box.pid}\t1", "Uid": "\t".join(["1000"] * 4), "NoNewPrivs": "1"},
                **dict.fromkeys(("CapPrm", "CapEff", "CapBnd"), none),
            }
            ask(box, "health", "ready")
            ask(box, "infer", "life", 'what=["orphans"]', 'gate=["/tmp/gate"]', "--url", host.grpc)
            left.append(unreaped(box.pid))
            durations.append(stopped(host, box.pid))
            assert mark.processes() == {}
    figure(1, f"runc: zombies after {ORPHANS} double forks of a plugin", left, "", 0)
    figure(1, "runc: SIGTERM to process 1 until exit code 0", durations, limit=STOPPED_WITHIN)


def exit_code(case: str, init: Sequence[str]) -> int:
    """The exit code of the namespace; ``init`` is its process 1 above the daemon, or the daemon is process 1."""
    mark, options = Mark(), ["--tritonserver=/none"] if case == FAILED_START else []
    with run_host(LIFE, options=options, prefix=[*AS_PID_1, *init], env=mark.env, ready=case != FAILED_START) as host:
        if case != FAILED_START:
            first = pid_1_of(host)
            pid, number = (daemon_below(first, mark), "SIGKILL") if case == KILLED else (first, case)
            os.kill(pid, signal.Signals[number])
        code = host.process.wait(20)
    wait_until(lambda: mark.processes() == {}, 20, "the namespace is empty")
    return code


@pytest.fixture(scope="module")
def ours() -> dict[str, int]:
    """Our own exit codes by case."""
    return {case: exit_code(case, []) for case in CASES}


@pytest.mark.counted
@pytest.mark.parametrize("name", INITS)
def test_it_ends_as_below_an_init(name: str, ours: dict[str, int]) -> None:
    """The exit code as process 1 is the same as below an init."""
    needs(name)
    theirs = {case: exit_code(case, INITS[name]) for case in CASES}
    figure(1, f"exit codes that differ from those below {name}", [ours[case] != theirs[case] for case in CASES], "", 0)
    assert ours == theirs == CASES
