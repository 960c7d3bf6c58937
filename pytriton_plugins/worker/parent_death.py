"""Makes sure that a worker never outlives its host, even while its callable holds the GIL; runs in the worker."""

from __future__ import annotations

import ctypes
import fcntl
import os
import select
import signal

_PR_SET_PDEATHSIG = 1


def die_with_host(kill_pipe: int) -> None:
    """Have the kernel kill this process and its children when the host's end of ``kill_pipe`` is closed.

    Nothing is ever written to the pipe. The signal goes to the whole process group, so that children which the
    callable forked end too. The parent-death signal is a second way, for a pipe that a child of the host holds.
    """
    fcntl.fcntl(kill_pipe, fcntl.F_SETOWN, -os.getpgrp())
    fcntl.fcntl(kill_pipe, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(kill_pipe, fcntl.F_SETFL, fcntl.fcntl(kill_pipe, fcntl.F_GETFL) | os.O_ASYNC | os.O_NONBLOCK)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if select.select([kill_pipe], [], [], 0)[0]:
        os.kill(os.getpid(), signal.SIGKILL)  # the host was gone before the signal was armed
