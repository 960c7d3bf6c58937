"""A program on a terminal of its own: the bytes that it writes, and the text that the terminal shows."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator, Mapping, Sequence

import pyte

from pytriton_plugins.testing import wait_until
from pytriton_plugins.testing.host import PROGRAM

HIDE_CURSOR = b"\x1b[?25l"
SECOND_SCREEN, FIRST_SCREEN = b"\x1b[?1049h", b"\x1b[?1049l"
ROWS = 100


class Terminal:
    """``written``: every byte of the program, in order. A thread reads the output without delay.

    The screen has a lock, because pyte allows no look at it while it changes.
    """

    def __init__(self, command: Sequence[str], columns: int, env: Mapping[str, str]) -> None:
        self.written = b""
        self._lock = threading.Lock()
        self._screen = pyte.Screen(columns, ROWS)
        self._stream = pyte.ByteStream(self._screen)
        self._ours, theirs = os.openpty()
        self.resize(columns)
        self.process = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, env=dict(env), start_new_session=True
        )
        os.close(theirs)
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    @property
    def lines(self) -> list[str]:
        """The visible lines, without the empty lines at the end."""
        lines = [line.rstrip() for line in self._display()]
        while lines and not lines[-1]:
            lines.pop()
        return lines

    @property
    def text(self) -> str:
        """The visible text; lines that the terminal has wrapped are joined."""
        return "".join(line if line[-1] != " " else line.rstrip() + "\n" for line in self._display())

    def wait_for(self, text: str) -> None:
        """Wait until the terminal shows ``text``."""
        wait_until(lambda: text in self.text, 30, f"the terminal shows {text!r}")

    def resize(self, columns: int) -> None:
        """Set the width, as a window manager does."""
        with self._lock:
            self._screen.resize(ROWS, columns)
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, columns, 0, 0))

    def end(self, number: signal.Signals | None = None) -> int:
        """Send the signal if one is given, and wait for the end; returns the exit code."""
        if number is not None:
            self.process.send_signal(number)
        code = self.process.wait(60)
        self._reading.join(60)
        return code

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reading.join(60)
        os.close(self._ours)

    def _display(self) -> list[str]:
        with self._lock:
            return self._screen.display

    def _read(self) -> None:
        with contextlib.suppress(OSError):  # the last program on it has ended
            while data := os.read(self._ours, 1 << 16):
                self.written += data
                with self._lock:
                    self._stream.feed(data)


@contextlib.contextmanager
def on_terminal(
    *arguments: str, columns: int = 120, env: Mapping[str, str] | None = None, command: Sequence[str] = ()
) -> Iterator[Terminal]:
    """`pytriton-host` with ``arguments`` (or another ``command``); ``env`` is added to an environment with colours."""
    colours = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR", "COLUMNS")}
    terminal = Terminal(
        command or [sys.executable, "-c", PROGRAM, *arguments],
        columns,
        {**colours, "TERM": "xterm-256color", **(env or {})},
    )
    try:
        yield terminal
    finally:
        terminal.close()
