"""A small init: process 1 of a container, with the daemon as its only child."""

from __future__ import annotations

import os
import signal
import sys

_OWN = {
    signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGSEGV, signal.SIGSYS, signal.SIGTRAP,
    signal.SIGKILL, signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU,
}  # fmt: skip
"""Faults of the init itself, signals that cannot be caught, and job control; every other signal is forwarded."""

_BY_TERMINAL = {signal.SIGINT, signal.SIGQUIT}
"""A key of the terminal sends them to the daemon as well, which would count a forwarded one as the second signal."""

_SI_KERNEL = 128
"""The code of a signal that the kernel sent."""


def become_init_if_pid1() -> None:
    """Return at once unless this is process 1; then in the child only, while process 1 reaps and forwards signals."""
    if os.getpid() != 1:
        return
    # Blocked before the fork: a signal that comes early waits for `sigwait` instead of being lost.
    watched = signal.valid_signals() - _OWN
    before = signal.pthread_sigmask(signal.SIG_BLOCK, watched)
    child = os.fork()
    if child == 0:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return
    sys.stdout.flush()
    os._exit(_run_init(child, watched))


def _run_init(child: int, watched: set[signal.Signals]) -> int:
    while True:
        info = signal.sigwaitinfo(watched)
        if info.si_signo != signal.SIGCHLD:
            if info.si_signo not in _BY_TERMINAL or info.si_code != _SI_KERNEL:
                os.kill(child, info.si_signo)
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
