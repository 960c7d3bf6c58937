"""Handles each signal that would end the daemon and that it may catch."""

from __future__ import annotations

import asyncio
import logging
import signal
from typing import Protocol

_LOG = logging.getLogger("pytriton.host")
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
"""Stop in order; the second of these stops without waiting. They do so even if they were ignored at the start."""

HANGUP_SIGNALS = (signal.SIGHUP, signal.SIGPWR)
"""Stop in order, however often they come: the end of a session sends HUP twice, and systemd may send it after TERM."""

QUIT_SIGNALS = (signal.SIGQUIT,)
"""Stop without waiting."""

CPU_LIMIT_SIGNALS = (signal.SIGXCPU,)
"""The limit of processor time is reached, and SIGKILL comes next."""

FAULT_SIGNALS = (
    signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGSEGV, signal.SIGSYS, signal.SIGTRAP,
)  # fmt: skip
"""Faults of the process itself."""

_HARMLESS = (signal.SIGCHLD, signal.SIGCONT, signal.SIGURG, signal.SIGWINCH)
"""They end no process."""

_JOB_CONTROL = (signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU)
_NOT_CAUGHT = (signal.SIGKILL, signal.SIGSTOP)


class SignalTarget(Protocol):
    """The daemon, as signals see it."""

    def begin_stop(self) -> None:
        """Stop in order."""

    def hurry(self) -> None:
        """Do not wait any longer while stopping."""

    def stop(self, reason: str) -> None:
        """Stop in order, with ``reason`` and exit code 1."""


class Signals:
    """Handles signals from its construction on.

    Signals that a hook plugin handles, and those that were ignored at the start (nohup), stay so.
    """

    def __init__(self, target: SignalTarget) -> None:
        self._target = target
        self._stops = False
        """One of `STOP_SIGNALS` came before."""
        self._ignored: set[int] = set()
        loop = asyncio.get_running_loop()
        for number in sorted(signal.valid_signals()):
            if number in (*FAULT_SIGNALS, *_HARMLESS, *_JOB_CONTROL, *_NOT_CAUGHT):
                continue
            if number in STOP_SIGNALS or signal.getsignal(number) is signal.SIG_DFL:
                loop.add_signal_handler(number, self._on_signal, number)

    def _on_signal(self, number: int) -> None:
        if number in STOP_SIGNALS:
            self._on_stop(number)
        elif number in HANGUP_SIGNALS:
            self._target.begin_stop()
        elif number in QUIT_SIGNALS:
            _LOG.warning("%s: stopping without waiting", _name(number))
            self._target.hurry()
            self._target.begin_stop()
        elif number in CPU_LIMIT_SIGNALS:
            self._target.stop(f"{_name(number)}: the limit of processor time is reached (ulimit -t): stopping")
        elif number not in self._ignored:
            self._ignored.add(number)
            _LOG.warning("%s is ignored; SIGTERM stops the daemon", _name(number))

    def _on_stop(self, number: int) -> None:
        if self._stops:
            _LOG.warning("%s again: not waiting any longer", _name(number))
            self._target.hurry()
        self._stops = True
        self._target.begin_stop()


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f"signal {number}"
