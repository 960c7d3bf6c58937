"""A host as process 1 of a process namespace, alone or below another init; needs root."""

from __future__ import annotations

from pathlib import Path

from pytriton_plugins.testing import RunningHost
from tests.support.sandbox.leftovers import Mark
from tests.support.traffic.clients import infer, texts

AS_PID_1 = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
ORPHANS = 100


def children(pid: int) -> list[int]:
    """The process ids of the children of ``pid``."""
    return [*map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]


def pid_1_of(host: RunningHost) -> int:
    """The process id, in this process's namespace, of process 1 inside."""
    (pid,) = children(host.process.pid)
    status = Path(f"/proc/{pid}/status").read_text()
    assert f"NSpid:\t{pid}\t1\n" in status
    return pid


def daemon_below(init: int, mark: Mark) -> int:
    """The process id of the daemon, whose parent is the process 1 ``init``."""
    found = mark.processes()
    (pid,) = (each for each in children(init) if " serve " in found.get(each, ""))
    return pid


def leave_orphans(host: RunningHost, folder: Path) -> None:
    """Have the model life.py leave `ORPHANS` orphans behind."""
    inputs = {"what": texts("orphans"), "gate": texts(str(folder / "gate"))}
    assert infer(host, "grpc", "life", inputs)["pid"].item() > 1
