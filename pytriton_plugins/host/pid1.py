"""A small init: runs as process 1 of a container, with the daemon as its only child."""

from __future__ import annotations

import os
import signal
import sys

_FORWARDED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)


def become_init_if_pid1() -> None:
    """Returns at once unless this is process 1; then in the child only, while process 1 reaps and forwards signals."""
    if os.getpid() != 1:
        return
    # Blocked before the fork: a signal that comes early waits for `sigwait` instead of being lost.
    watched = {*_FORWARDED, signal.SIGCHLD}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, watched)
    child = os.fork()
    if child == 0:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return
    sys.stdout.flush()
    os._exit(_run_init(child, watched))


def _run_init(child: int, watched: set[signal.Signals]) -> int:
    while True:
        number = signal.sigwait(watched)
        if number != signal.SIGCHLD:
            os.kill(child, number)
            continue
        status = _reap_all(child)
        if status is not None:
            return status


def _reap_all(child: int) -> int | None:
    """Reap every process that ended; the exit code of ``child``, as a shell gives it, once it is among them."""
    result = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return result
        if pid == 0:
            return result
        if pid == child:
            code = os.waitstatus_to_exitcode(status)
            result = code if code >= 0 else 128 - code
