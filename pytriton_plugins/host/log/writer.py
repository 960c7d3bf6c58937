"""What the daemon writes to standard error and output, by threads: who writes never waits for who reads.

A descriptor that cannot be written (closed, a full disk, no reader) costs what is written to it, never the daemon.
"""

from __future__ import annotations

import contextlib
import io
import os
import select
import threading
from collections import deque
from collections.abc import Callable

from pytriton_plugins.text import cut

CAPACITY = 4 << 20
"""Bytes that wait at most; what comes while they do is left out and counted."""

_ERASE = b"\r\x1b[2K"
_NO_WRAP, _WRAP = b"\x1b[?7l", b"\x1b[?7h"
"""Takes away the line that the cursor is on. The cursor is never hidden: however the daemon ends, it is there."""

_NARROWEST = 20
_USUAL = 80
"""Columns of a terminal that does not say how wide it is."""

Chunk = bytes | Callable[[], bytes]


class LogWriter:
    """Writes to a descriptor in the order of `put`, which never blocks and never fails, whatever becomes of the reader.

    ``describe`` gives the line that stands where lines were left out, from their number.
    """

    def __init__(self, descriptor: int, describe: Callable[[int], bytes], capacity: int = CAPACITY) -> None:
        """Raises OSError when the descriptor is closed."""
        # One of its own: another file may get the number when somebody closes it.
        self._descriptor = os.dup(descriptor)
        self._describe = describe
        self._capacity = capacity
        self._chunks: deque[Chunk] = deque()
        self._size = 0
        self._left_out = 0
        self._closed = False
        self._below = self._on_screen = ""
        # Its lock may be taken twice by one thread: what is collected meanwhile may log as it goes.
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="pytriton-log", daemon=True)
        self._thread.start()

    @property
    def is_terminal(self) -> bool:
        """Whether somebody sees what is written at once."""
        return os.isatty(self._descriptor)

    @property
    def can_erase(self) -> bool:
        """Whether a line can be taken back there."""
        return self.is_terminal and os.environ.get("TERM", "dumb") not in ("dumb", "unknown")

    @property
    def columns(self) -> int:
        """How wide that terminal is now."""
        with contextlib.suppress(OSError):
            return max(_NARROWEST, os.get_terminal_size(self._descriptor).columns or _USUAL)
        return _USUAL

    def put(self, data: bytes) -> None:
        """Have ``data``, whole lines, written soon, or counted."""
        with self._changed:
            if self._left_out or self._size + len(data) > self._capacity:
                self._left_out += data.count(b"\n")
            else:
                self._add(data)
            self._changed.notify()

    def put_made(self, make: Callable[[], bytes]) -> None:
        """Have what ``make`` returns written soon. The thread that writes calls it, for it may take long."""
        with self._changed:
            self._chunks.append(make)
            self._changed.notify()

    def keep_below(self, line: str) -> None:
        """Where lines can be erased: have ``line`` stand below all that is written, in the place of the one before.

        Nothing stands there with "".
        """
        with self._changed:
            if line != self._below:
                self._below = line
                self._changed.notify()

    def close(self, patience: float) -> None:
        """Wait until everything is written, at most ``patience`` seconds; what is put later is lost."""
        with self._changed:
            self._closed = True
            self._below = ""
            self._changed.notify()
        self._thread.join(patience)

    def _add(self, data: bytes) -> None:
        self._chunks.append(data)
        self._size += len(data)

    def _run(self) -> None:
        while (found := self._next()) is not None:
            erase, chunk = found
            _write(self._descriptor, erase + (chunk if isinstance(chunk, bytes) else chunk()))
        os.close(self._descriptor)

    def _next(self) -> tuple[bytes, Chunk] | None:
        """What is to be erased, and written in its place; None at the end."""
        with self._changed:
            self._changed.wait_for(self._has_work)
            if self._left_out and self._size <= self._capacity // 2:
                count, self._left_out = self._left_out, 0
                self._add(self._describe(count))
            erase = _ERASE if self._on_screen else b""
            if self._chunks:
                self._on_screen = ""
                chunk = self._chunks.popleft()
                self._size -= len(chunk) if isinstance(chunk, bytes) else 0
                return erase, chunk
            if self._below == self._on_screen:
                return None
            self._on_screen = self._below
            # A line that wraps could not be erased, and the window may have become narrower since its width was asked
            # for; in the last column the cursor is between two lines.
            line = cut(self._below, self.columns - 1).encode(errors="backslashreplace")
            return erase, _NO_WRAP + line + _WRAP if line else b""

    def _has_work(self) -> bool:
        return bool(self._chunks or self._left_out or self._closed or self._below != self._on_screen)


class LineStream(io.TextIOBase):
    """Whole lines for ``put``. It stands in the place of `sys.stdout`, for hook plugins may print in the daemon."""

    def __init__(self, put: Callable[[bytes], None]) -> None:
        self._put = put
        self._rest = ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        lines, end, self._rest = (self._rest + text).rpartition("\n")
        if end:
            self._put((lines + end).encode(errors="backslashreplace"))
        return len(text)


def _write(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(descriptor, rest) :]
        except BlockingIOError:  # somebody else has made it so
            waiting = select.poll()
            waiting.register(descriptor, select.POLLOUT)
            waiting.poll()
        except OSError:
            return  # nobody reads any more, or the disk is full: the daemon serves on
