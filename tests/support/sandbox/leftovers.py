"""The things that a host may leave behind: processes, shared memory, ports."""

from __future__ import annotations

import os
import signal
import uuid
from pathlib import Path

from pytriton_plugins.testing import RunningHost, wait_until
from tests.support.sandbox.ports import can_listen

_VARIABLE = "PYTRITON_TEST_MARK"

CLIENT_MEMORY = "pytriton-client-"
"""The prefix of names in /dev/shm that tests make as clients."""


class Mark:
    """A variable that every descendant of a host inherits, so that all of them are found."""

    def __init__(self) -> None:
        self._value = uuid.uuid4().hex
        self.env = {_VARIABLE: self._value}

    def processes(self) -> dict[int, str]:
        """The command lines of the living processes that carry the mark, by process id."""
        wanted = f"{_VARIABLE}={self._value}".encode()
        found = {}
        for folder in Path("/proc").iterdir():
            if not folder.name.isdigit():
                continue
            try:
                if wanted in (folder / "environ").read_bytes().split(b"\0"):
                    found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue  # it ended meanwhile
        return found

    def workers(self) -> dict[int, str]:
        """The workers among the processes, and their forked children."""
        return {pid: line for pid, line in self.processes().items() if "pytriton_plugins.worker" in line}


def freeze(pid: int) -> None:
    """Stop a process, and return once none of its threads runs: the signal alone is only a request."""
    os.kill(pid, signal.SIGSTOP)
    tasks = Path(f"/proc/{pid}/task")
    wait_until(lambda: all(_state(task) in "TX" for task in tasks.iterdir()), 10, f"process {pid} has stopped")


def _state(task: Path) -> str:
    """The state letter of a thread; X for one that ended meanwhile."""
    try:
        return (task / "stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "X"


def shared_memory() -> set[str]:
    """The names in /dev/shm, without those of podman and of clients, which other tests may use at the same time."""
    return {name for name in os.listdir("/dev/shm") if not name.startswith(("libpod", CLIENT_MEMORY))}


def ports_taken(host: RunningHost) -> list[int]:
    """The ports of the host that are in use."""
    return [port for port in host.ports if not can_listen(port)]


def tritonserver(host: RunningHost) -> int:
    """The process id of the host's tritonserver."""
    (pid,) = (pid for pid in descendants(host.process.pid) if _name(pid) == "tritonserver")
    return pid


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""  # it ended meanwhile


def descendants(root: int) -> dict[int, str]:
    """The state letters of all processes below ``root``, by process id; Z is a zombie."""
    below: dict[int, list[tuple[int, str]]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
            except OSError:
                continue  # it ended meanwhile
            below.setdefault(int(parent), []).append((int(folder.name), state))
    found: dict[int, str] = {}
    waiting = [root]
    while waiting:
        for pid, state in below.get(waiting.pop(), []):
            found[pid] = state
            waiting.append(pid)
    return found


def zombies(root: int) -> int:
    """How many processes below ``root`` are zombies."""
    return list(descendants(root).values()).count("Z")
