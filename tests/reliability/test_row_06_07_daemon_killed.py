"""The host or any of its processes killed, in any order: nothing is left; rows 6 and 7 of the table of faults."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

from pytriton_plugins.testing import RunningHost, run_host, wait_until
from tests.support.measure.figures import FULL, figure
from tests.support.paths import MODELS
from tests.support.sandbox.leftovers import Mark, ports_taken
from tests.support.traffic.clients import infer, texts
from tests.support.traffic.load import Load

LIFE = MODELS / "life.py"
IDLE = {"what": texts(""), "gate": texts("/-")}
RUNS = 10 if FULL else 2
KILLS = 20


def hosts_memory(mark: Mark) -> int:
    """Bytes of shared memory mapped by processes of the host; segments have no names to look for."""
    found = 0
    for pid in mark.processes():
        try:
            lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
        except OSError:
            continue  # it ended meanwhile
        for line in lines:
            if "memfd:" in line:
                first, last = (int(place, 16) for place in line.split()[0].split("-"))
                found += last - first
    return found


def left_in(folder: Path) -> list[str]:
    return [str(path.relative_to(folder)) for path in folder.rglob("*")]


def test_the_host_is_killed_under_load(tmp_path: Path) -> None:
    gone, again = [], []
    env = {"TMPDIR": str(tmp_path)}
    for _ in range(RUNS):
        mark = Mark()
        forking = {**env, **mark.env, "LIFE_AT_IMPORT": "fork"}
        with (
            run_host(LIFE, options=["--workers=2"], env=forking) as host,
            Load(host, "life", lambda: IDLE, pause=0.002) as load,
        ):
            gone.append(seconds_until_gone(host, load, mark))
        started = time.monotonic()
        with run_host(LIFE, env={**env, **mark.env}) as host:
            infer(host, "grpc", "life", IDLE)
            again.append(time.monotonic() - started)
            assert host.stop() == 0
        assert left_in(tmp_path) == []
        assert hosts_memory(mark) == 0
    figure(6, "host SIGKILL under load: until every process is gone and the ports are free", gone, limit=1.0)
    figure(6, "the next start: until it answers", again)


def seconds_until_gone(host: RunningHost, load: Load, mark: Mark) -> float:
    """Kill the host under load; returns the seconds until nothing of it is left."""
    wait_until(lambda: len(load.sent) > 50, what="the clients are at work")
    killed = time.monotonic()
    os.kill(host.process.pid, signal.SIGKILL)
    wait_until(lambda: not mark.processes() and not ports_taken(host))
    return time.monotonic() - killed


def test_random_processes_are_killed_in_random_order(tmp_path: Path) -> None:
    left, served = [], []
    env = {"TMPDIR": str(tmp_path)}
    for seed in range(RUNS):
        mark = Mark()
        with run_host(LIFE, options=["--workers=4"], env={**env, **mark.env, "LIFE_AT_IMPORT": "fork"}) as host:
            kill_at_random(host, mark, random.Random(seed))
        wait_until(lambda: not mark.processes(), 20, "nobody lives on")  # noqa: B023
        with run_host(LIFE, env={**env, **mark.env}) as host:
            began = time.monotonic()
            infer(host, "http", "life", IDLE)
            served.append(time.monotonic() - began)
            assert host.stop() == 0
        left.append(len(left_in(tmp_path)) + len(mark.processes()) + hosts_memory(mark))
    figure(7, f"{KILLS} random SIGKILLs, then a start: files, processes and bytes left", left, "", 0)


def kill_at_random(host: RunningHost, mark: Mark, chance: random.Random) -> None:
    """Kill twenty of the host's processes one by one, the daemon at the latest at the end."""
    for _ in range(KILLS - 1):
        processes = sorted(mark.processes())
        if host.process.poll() is not None or not processes:
            break
        victim = chance.choice(processes)
        try:
            os.kill(victim, signal.SIGKILL)
        except ProcessLookupError:
            continue  # it ended meanwhile
        if victim != host.process.pid:
            wait_until(lambda: victim not in mark.processes(), 20)  # noqa: B023
    if host.process.poll() is None:
        host.process.kill()
    host.process.wait()
