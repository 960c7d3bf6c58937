"""Network namespaces on a bridge, one for each replica and one for their balancer; needs root.

The bridge is in the balancer's namespace. This process has an address on it too, as an external client.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

_MEMBERS = 10
"""The last byte of the first member's address is one more."""


class Network:
    """``balancer`` and ``members`` are addresses; members are numbered from 1."""

    def __init__(self, members: int) -> None:
        self._name = f"pt{os.getpid()}"
        # The range for tests of network devices (RFC 2544).
        self.prefix = f"198.18.{os.getpid() % 256}."
        self.balancer = f"{self.prefix}1"
        self.members = [f"{self.prefix}{_MEMBERS + number}" for number in range(1, members + 1)]

    def inside(self, member: int) -> list[str]:
        """The prefix of a command that runs in the member's namespace; 0 is the balancer's."""
        return ["ip", "netns", "exec", self._namespace(member)]

    def processes(self, member: int) -> list[int]:
        """The ids of the processes in the member's namespace."""
        return [int(pid) for pid in _ip("netns", "pids", self._namespace(member)).split()]

    def make(self) -> None:
        balancer = self._namespace(0)
        _ip("netns", "add", balancer)
        _ip("-n", balancer, "link", "add", "bridge", "type", "bridge")
        self._join("outside", self._name, str(os.getpid()), 254, [])
        for number in range(1, len(self.members) + 1):
            namespace = self._namespace(number)
            _ip("netns", "add", namespace)
            _ip("-n", namespace, "link", "set", "lo", "up")
            self._join(f"member{number}", "eth0", namespace, _MEMBERS + number, ["-n", namespace])
        _ip("-n", balancer, "addr", "add", f"{self.balancer}/24", "dev", "bridge")
        for device in ("lo", "bridge"):
            _ip("-n", balancer, "link", "set", device, "up")

    def remove(self) -> None:
        """Delete the device of this process now; a deleted namespace and its devices disappear a while later."""
        if Path("/sys/class/net", self._name).exists():
            _ip("link", "del", self._name)
        for number in range(len(self.members) + 1):
            if Path("/run/netns", self._namespace(number)).exists():
                _ip("netns", "del", self._namespace(number))

    def _namespace(self, member: int) -> str:
        return f"{self._name}-{member}"

    def _join(self, port: str, device: str, namespace: str, last: int, there: Sequence[str]) -> None:
        """Make a pair of devices: ``port`` on the bridge, and ``device`` in the namespace with its address."""
        here = ["-n", self._namespace(0)]
        _ip(*here, "link", "add", port, "type", "veth", "peer", "name", device, "netns", namespace)
        _ip(*here, "link", "set", port, "master", "bridge", "up")
        _ip(*there, "addr", "add", f"{self.prefix}{last}/24", "dev", device)
        _ip(*there, "link", "set", device, "up")


def _ip(*arguments: str) -> str:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True)
    assert done.returncode == 0, f"ip {' '.join(arguments)}: {done.stderr}"
    return done.stdout


@contextlib.contextmanager
def network(members: int) -> Iterator[Network]:
    """A network whose namespaces are removed at the end; their processes must have ended before."""
    made = Network(members)
    try:
        made.make()
        yield made
    finally:
        made.remove()
