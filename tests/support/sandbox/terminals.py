"""A host on its own terminal, with key presses by the test."""

from __future__ import annotations

import signal
import sys

from pytriton_plugins.testing import RunningHost

_PROGRAM = """
import os, pty, signal, sys
kept = os.dup(1), os.dup(2)
pid, terminal = pty.fork()
if pid == 0:
    os.dup2(kept[0], 1), os.dup2(kept[1], 2)
    os.execvp(sys.argv[1], sys.argv[1:])
signal.signal(signal.SIGUSR1, lambda *_: os.write(terminal, b"\\x03"))
signal.signal(signal.SIGUSR2, lambda *_: os.close(terminal))
code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
sys.exit(code if code >= 0 else 128 - code)
"""
ON_A_TERMINAL = [sys.executable, "-c", _PROGRAM]
"""The prefix for `run_host`: the command leads the terminal's session; its output does not go to the terminal."""


def press_ctrl_c(host: RunningHost) -> None:
    host.process.send_signal(signal.SIGUSR1)


def close_terminal(host: RunningHost) -> None:
    """Close the terminal, as the end of an ssh session does."""
    host.process.send_signal(signal.SIGUSR2)
