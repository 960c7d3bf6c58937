"""The daemon as sub-reaper: orphans of its descendants become its children and are reaped."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal

from pytriton_plugins.host.system.child import OWN_TASKS, children_of, running_children

_PR_SET_CHILD_SUBREAPER = 36
_POLL_INTERVAL = 0.01
"""Seconds between two looks whether killed processes have ended."""

_RETRY_AFTER = 0.5
"""Seconds until the next look when no descriptor was left for it."""


class Reaper:
    """Reaps adopted processes only: the daemon and hook plugins need the exit status of their own children."""

    def __init__(self) -> None:
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        asyncio.get_running_loop().add_signal_handler(signal.SIGCHLD, self.reap)

    def adopted(self) -> set[int]:
        """Processes that became children of the daemon because their parent ended.

        tritonserver and the workers lead sessions of their own, so their orphans are never in the daemon's session,
        where a hook plugin's children are.
        """
        return {pid for pid in children_of(OWN_TASKS) - running_children() if _session(pid) != os.getsid(0)}

    def reap(self) -> None:
        """Reap the adopted processes that have ended; later where no descriptor is left to look for them with."""
        try:
            ended = self.adopted()
        except OSError:
            asyncio.get_running_loop().call_later(_RETRY_AFTER, self.reap)
            return
        for pid in ended:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)

    async def kill_adopted(self, timeout: float) -> None:
        """End every adopted process, and those that are adopted when it ends: nothing outlives the daemon.

        Gives up after ``timeout`` seconds: a process that waits for a device may ignore any signal.
        """
        deadline = asyncio.get_running_loop().time() + timeout
        while pids := self.adopted():
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.reap()
            if asyncio.get_running_loop().time() > deadline:
                return
            await asyncio.sleep(_POLL_INTERVAL if pids & self.adopted() else 0)


def _session(pid: int) -> int:
    """The session of a child; the daemon's own if the child is gone."""
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return os.getsid(0)
