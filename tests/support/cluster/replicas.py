"""Hosts in network namespaces; each keeps its own address over restarts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pytriton_plugins.testing import RunningHost
from pytriton_plugins.testing.host import PROGRAM
from tests.support.cluster.balancer import Balancer
from tests.support.measure.figures import CLUSTER
from tests.support.sandbox.namespaces import Network
from tests.support.traffic.clients import PROTOCOLS

PORTS = (8000, 8001, 8002)
DRAIN_DELAY = 5.0 if CLUSTER.full else 2.0
"""Seconds for which a stopped replica continues to serve; the balancer checks it twice a second."""


class Replica:
    """The member ``number`` of the network. Its models see its name in the variable REPLICA."""

    def __init__(self, network: Network, number: int, command: Sequence[str | Path], folder: Path) -> None:
        """``command``: targets and options of ``serve``; ``folder``: for its files."""
        self.name = f"models-{number}"
        self.address = network.members[number - 1]
        self._network = network
        self._number = number
        self._arguments = [*map(str, command), "--address=0.0.0.0"]
        self._folder = folder / self.name
        self._starts = 0
        self._host: RunningHost | None = None

    @property
    def host(self) -> RunningHost:
        """The host of the last start."""
        assert self._host is not None, f"{self.name} was never started"
        return self._host

    def runs(self) -> bool:
        return self._host is not None and self._host.process.poll() is None

    def start(self, *options: str) -> None:
        """Start it with these further options; does not wait."""
        self._starts += 1
        folder = self._folder / str(self._starts)
        folder.mkdir(parents=True)
        command = [
            *self._network.inside(self._number),
            sys.executable,
            "-c",
            PROGRAM,
            "serve",
            *self._arguments,
            *options,
        ]
        with (folder / "output").open("wb") as output, (folder / "log").open("wb") as log:
            env = {**os.environ, "REPLICA": self.name, "TMPDIR": str(folder)}
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=log, env=env)
        self._host = RunningHost(process, PORTS, folder)
        self._host.http, self._host.grpc, self._host.metrics = (f"{self.address}:{port}" for port in PORTS)

    def kill(self) -> None:
        """Kill all its processes, as the end of its machine or pod does; its address stays."""
        for pid in self._network.processes(self._number):
            os.kill(pid, signal.SIGKILL)

    def end(self) -> None:
        """Kill all its processes in any state."""
        if self._host is not None:
            self.kill()
            self._host.process.wait()


def all_up(proxy: Balancer, replicas: Sequence[Replica]) -> bool:
    """Whether the balancer sends both kinds of requests to every replica."""
    return all(proxy.up(replica.name) == set(PROTOCOLS) for replica in replicas)


def down(proxy: Balancer, replica: Replica) -> bool:
    """Whether the balancer sends the replica no requests."""
    return not proxy.up(replica.name)


def answered_by(result: Any) -> str:
    """The name of the replica that sent this result."""
    return str(result.as_numpy("replica").item().decode())
