"""The host as sub-reaper: what its descendants leave behind becomes its child and is reaped; runs in the host."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal

from pytriton_plugins.host.system.child import OWN_TASKS, children_of, running_children

_PR_SET_CHILD_SUBREAPER = 36
_AGAIN = 0.01
_WITHOUT_DESCRIPTORS = 0.5
"""Seconds until the next look where none is left."""


class Reaper:
    """Reaps adopted processes only, never a child that the host or a hook plugin started: they want its exit status."""

    def __init__(self) -> None:
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        asyncio.get_running_loop().add_signal_handler(signal.SIGCHLD, self.reap)

    def adopted(self) -> set[int]:
        """Processes that became children of the host because their parent ended.

        tritonserver and the workers lead sessions of their own, so what they leave is never in the host's session,
        where a hook plugin's children are.
        """
        return {pid for pid in children_of(OWN_TASKS) - running_children() if _session(pid) != os.getsid(0)}

    def reap(self) -> None:
        """Reap those adopted processes that have ended; soon where no descriptor is left to look for them with."""
        try:
            ended = self.adopted()
        except OSError:
            asyncio.get_running_loop().call_later(_WITHOUT_DESCRIPTORS, self.reap)
            return
        for pid in ended:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)

    async def kill_adopted(self, patience: float) -> None:
        """End every adopted process, and those that are adopted when it ends: nothing outlives the host.

        Gives up after ``patience`` seconds: a process may be beyond any signal, waiting for a device.
        """
        deadline = asyncio.get_running_loop().time() + patience
        while pids := self.adopted():
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.reap()
            if asyncio.get_running_loop().time() > deadline:
                return
            await asyncio.sleep(_AGAIN if pids & self.adopted() else 0)


def _session(pid: int) -> int:
    """The session of a child; the host's own for one that is gone."""
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return os.getsid(0)
