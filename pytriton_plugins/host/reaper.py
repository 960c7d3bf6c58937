"""The host as sub-reaper: what its descendants leave behind becomes its child and is reaped; runs in the host."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
from collections.abc import Callable
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36


class Reaper:
    """Reaps adopted processes only, never the host's own children, whose exit status their owners want."""

    def __init__(self, own: Callable[[], set[int]]) -> None:
        """``own``: the process ids of the children that the host started itself."""
        self._own = own
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        asyncio.get_running_loop().add_signal_handler(signal.SIGCHLD, self.reap)

    def adopted(self) -> set[int]:
        """Processes that became children of the host because their parent ended."""
        tasks = Path("/proc/self/task").iterdir()
        children = {int(pid) for task in tasks for pid in (task / "children").read_text().split()}
        return children - self._own()

    def reap(self) -> None:
        """Reap those adopted processes that have ended."""
        for pid in self.adopted():
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)

    def kill_adopted(self) -> None:
        """End every adopted process: nothing that a plugin started outlives the host."""
        for pid in self.adopted():
            try:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
            except (ProcessLookupError, ChildProcessError):
                pass
