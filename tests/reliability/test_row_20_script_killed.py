"""A script that owns a daemon, or that daemon, is killed under load; row 20 of the table of faults."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pytriton_plugins.testing import run_host, wait_until
from tests.support.measure.figures import FULL, figure
from tests.support.paths import MODELS
from tests.support.sandbox.leftovers import Mark
from tests.support.sandbox.ports import can_listen
from tests.support.script.calls import is_served
from tests.support.script.programs import program
from tests.support.traffic.clients import texts
from tests.support.traffic.load import Load

RUNS = 10 if FULL else 5
LIMIT = 1.0
"""Seconds that the pages promise."""

LIFE = {"what": texts(""), "gate": texts("/-")}
X = {"x": np.ones((1, 1), np.float32)}

ATTACHES = """
served(lambda x: x * 2)
sys.stdin.read()
"""

SCRIPT = f"""
import time
import numpy as np
from pytriton_plugins import Host, Tensor
from pytriton_plugins.errors import HostError

x, y = Tensor("x", np.float32, (-1,)), Tensor("y", np.float32, (-1,))
with Host({str(MODELS / "life.py")!r}, workers=2, http_port=0, grpc_port=0, metrics_port=0) as host:
    host.attach(lambda x: x * 2, name="attached", inputs=[x], outputs=[y])
    urls = (host.http_url, host.grpc_url, host.metrics_url.removesuffix("/metrics"))
    print(host.pid, *(url.rpartition(":")[2] for url in urls), flush=True)
    try:
        host.wait()
    except HostError as error:
        print(time.monotonic(), error, flush=True)
    print("lives on", flush=True)
"""


class Script:
    """The running script, and where its daemon listens."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.pid = process.pid
        self.daemon, *self.ports = map(int, self.line().split())
        self.http, self.grpc, _ = (f"127.0.0.1:{port}" for port in self.ports)

    def line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().rstrip("\n")


@contextlib.contextmanager
def under_load(mark: Mark) -> Iterator[Script]:
    """A script whose models, a worker's and an attached one, answer clients."""
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT], env={**os.environ, **mark.env}, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            script = Script(process)
            with (
                Load(script, "life", lambda: LIFE, clients=4, pause=0.002) as first,
                Load(script, "attached", lambda: X, clients=4, pause=0.002) as second,
            ):
                wait_until(lambda: min(len(first.sent), len(second.sent)) > 50, what="the clients are at work")
                assert first.failed + second.failed == []
                yield script
        finally:
            process.kill()


def seconds_until_gone(mark: Mark, script: Script, killed: int) -> tuple[float, float]:
    """Kill a process; when that was, and the seconds until each process of the daemon and its ports are gone.

    The script itself may live on.
    """
    ends = [os.pidfd_open(pid) for pid in mark.processes() if pid != script.pid]
    began = time.monotonic()
    os.kill(killed, signal.SIGKILL)
    for end in ends:
        assert select.select([end], [], [], 60)[0]
        os.close(end)
    wait_until(lambda: all(map(can_listen, script.ports)))
    seconds = time.monotonic() - began
    assert len(ends) > 3
    assert mark.processes().keys() <= {script.pid}
    return began, seconds


def test_the_script_is_killed() -> None:
    gone = []
    for _ in range(RUNS):
        mark = Mark()
        with under_load(mark) as script:
            gone.append(seconds_until_gone(mark, script, script.pid)[1])
    figure(20, "script SIGKILL under load: until its daemon, tritonserver and ports are gone", gone, limit=LIMIT)


def test_a_process_that_attached_is_killed(tmp_path: Path) -> None:
    """Its model is gone; the daemon's own one answers on."""
    gone = []
    with (
        run_host(MODELS / "life.py", options=["--allow=attach", f"--run-dir={tmp_path}"]) as host,
        Load(host, "life", lambda: LIFE, clients=4, pause=0.002) as load,
    ):
        for _ in range(RUNS):
            with program(tmp_path, ATTACHES) as theirs:
                assert theirs.line() == "attached"
                with Load(host, "theirs", lambda: X, clients=4, pause=0.002) as lost:
                    wait_until(lambda: len(lost.sent) > 50, what="the clients are at work")
                    began = time.monotonic()
                    theirs.process.kill()
                    wait_until(lambda: not is_served(host, "theirs"), what="its model is gone")
                    gone.append(time.monotonic() - began)
        assert load.failed == []
    figure(20, "attached process SIGKILL under load: until its model is gone", gone, limit=LIMIT)


def test_the_daemon_of_a_script_is_killed() -> None:
    """The clocks of the two processes are one clock of the machine."""
    told, gone = [], []
    for _ in range(RUNS):
        mark = Mark()
        with under_load(mark) as script:
            killed, seconds = seconds_until_gone(mark, script, script.daemon)
            gone.append(seconds)
            when, text = script.line().split(" ", 1)
            told.append(float(when) - killed)
            assert text == f"the daemon (process {script.daemon}) was killed by SIGKILL"
            assert script.line() == "lives on"
    figure(20, "daemon of a script SIGKILL under load: until the script has the exception", told, limit=LIMIT)
    figure(20, "the same: until tritonserver and the ports are gone", gone, limit=LIMIT)
