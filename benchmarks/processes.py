"""A tree of processes as /proc shows it: its members and their memory."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

from attrs import field, frozen

PROC = Path("/proc")
END_TIMEOUT = 5.0


@frozen
class Process:
    """A process; the start time distinguishes it from a later one with the same number."""

    pid: int
    started: int
    # Changes when the parent ends, so it does not identify the process.
    parent: int = field(eq=False)

    @property
    def command_line(self) -> list[str]:
        """Empty when the process is gone."""
        return read(PROC / str(self.pid) / "cmdline").rstrip("\0").split("\0")

    @property
    def alive(self) -> bool:
        """Whether it still runs (a zombie does not)."""
        return process(self.pid) == self

    @property
    def proportional_bytes(self) -> int:
        """Resident memory, each shared page divided by the number of processes that map it (PSS)."""
        return self.memory.get("Pss", 0)

    @property
    def memory(self) -> dict[str, int]:
        """Bytes by the kernel's names (`Pss`, `Pss_Anon`, `Private_Dirty` …); empty when the process is gone."""
        return parse_rollup(read(PROC / str(self.pid) / "smaps_rollup"))

    def kill(self) -> None:
        """Send SIGKILL if it is still the same process."""
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)


def process(pid: int) -> Process | None:
    """The running process with this number, or None."""
    # The name in brackets may hold spaces and brackets: the fields begin after the last one.
    fields = read(PROC / str(pid) / "stat").rpartition(")")[2].split()
    if not fields or fields[0] in "ZX":
        return None
    return Process(pid, parent=int(fields[1]), started=int(fields[19]))


def tree(root: int) -> list[Process]:
    """The process `root` and all below it, parents first."""
    everyone = [found for name in os.listdir(PROC) if name.isdigit() and (found := process(int(name)))]
    members = [found for found in everyone if found.pid == root]
    for member in members:
        members.extend(found for found in everyone if found.parent == member.pid)
    return members


def end(members: set[Process]) -> None:
    """Send SIGKILL to each, and wait until they have ended."""
    for member in members:
        member.kill()
    deadline = time.monotonic() + END_TIMEOUT
    while time.monotonic() < deadline and any(member.alive for member in members):
        time.sleep(0.01)


def parse_rollup(text: str) -> dict[str, int]:
    """Each line `NAME: N kB` of a smaps_rollup, in bytes."""
    lines = (line.split() for line in text.splitlines() if line.endswith(" kB"))
    return {name.rstrip(":"): int(number) * 1024 for name, number, _ in lines}


def read(path: Path) -> str:
    """A file of /proc; empty when it is gone."""
    try:
        return path.read_text()
    except OSError:
        return ""
