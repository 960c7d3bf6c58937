"""A worker never outlives its daemon, even while its callable holds the GIL."""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal

from pytriton_plugins.shm.polling import readable

_PR_SET_PDEATHSIG = 1


def die_with_daemon(kill_pipe: int) -> None:
    """Have the kernel kill this process and its children when the daemon's end of ``kill_pipe`` is closed.

    Nothing is ever written to the pipe. The signal goes to the whole process group, so that children which the
    callable forked end too. The parent-death signal covers the case that a child of the daemon holds the pipe.
    """
    fcntl.fcntl(kill_pipe, fcntl.F_SETOWN, -os.getpgrp())
    fcntl.fcntl(kill_pipe, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(kill_pipe, fcntl.F_SETFL, fcntl.fcntl(kill_pipe, fcntl.F_GETFL) | os.O_ASYNC | os.O_NONBLOCK)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if readable(kill_pipe, seconds=0):
        os.kill(os.getpid(), signal.SIGKILL)  # the daemon ended before the signal was armed
