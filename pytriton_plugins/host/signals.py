"""What the daemon does with each signal that would end it, and that it may catch; runs in the host's event loop."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable

_LOG = logging.getLogger("pytriton.host")
ASKED = (signal.SIGTERM, signal.SIGINT)
"""Stop in order; the second of these does not wait any longer. They do so even where they were ignored at the start."""

HUNG_UP = (signal.SIGHUP, signal.SIGPWR)
"""Stop in order, however often they come: a session that ends sends HUP twice, and systemd may send it after TERM."""

AT_ONCE = (signal.SIGQUIT,)
"""Stop without waiting."""

USED_UP = (signal.SIGXCPU,)
"""The limit of processor time is reached, and SIGKILL comes next."""

FAULTS = (
    signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGSEGV, signal.SIGSYS, signal.SIGTRAP,
)  # fmt: skip
"""They come of what the process itself did."""

_HARMLESS = (signal.SIGCHLD, signal.SIGCONT, signal.SIGURG, signal.SIGWINCH)
"""They end nobody."""

_JOB_CONTROL = (signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU)
_NOT_CAUGHT = (signal.SIGKILL, signal.SIGSTOP)


class Signals:
    """Hears signals from its making on. ``stop`` and ``kill`` are asked to stop in order, and not to wait any longer;
    ``fail`` to stop in order with a reason and exit code 1.

    What a hook plugin handles, and what was ignored at the start (nohup), stays so.
    """

    def __init__(self, stop: Callable[[], None], kill: Callable[[], None], fail: Callable[[str], None]) -> None:
        self._stop, self._kill, self._fail = stop, kill, fail
        self._asked = False
        self._told: set[int] = set()
        loop = asyncio.get_running_loop()
        for number in sorted(signal.valid_signals()):
            if number in (*FAULTS, *_HARMLESS, *_JOB_CONTROL, *_NOT_CAUGHT):
                continue
            if number in ASKED or signal.getsignal(number) is signal.SIG_DFL:
                loop.add_signal_handler(number, self._on_signal, number)

    def _on_signal(self, number: int) -> None:
        if number in ASKED:
            self._on_asked(number)
        elif number in HUNG_UP:
            self._stop()
        elif number in AT_ONCE:
            _LOG.warning("%s: stopping without waiting", _name(number))
            self._kill()
            self._stop()
        elif number in USED_UP:
            self._fail(f"{_name(number)}: the limit of processor time is reached (ulimit -t): stopping")
        elif number not in self._told:
            self._told.add(number)
            _LOG.warning("%s is ignored; SIGTERM stops the daemon", _name(number))

    def _on_asked(self, number: int) -> None:
        if self._asked:
            _LOG.warning("%s again: not waiting any longer", _name(number))
            self._kill()
        self._asked = True
        self._stop()


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f"signal {number}"
