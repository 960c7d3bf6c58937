"""Writes standard error and output of the daemon in threads: the daemon never waits for a reader.

A descriptor that cannot be written (closed, a full disk, no reader) costs what is written to it, never the daemon.
"""

from __future__ import annotations

import contextlib
import io
import os
import threading
from collections import deque
from collections.abc import Callable
from typing import Protocol

from pytriton_plugins.shm.polling import wait_until_writable
from pytriton_plugins.text import cut

CAPACITY = 4 << 20
"""Bytes that wait at most; further lines are left out and counted."""

_ERASE = b"\r\x1b[2K"
_NO_WRAP, _WRAP = b"\x1b[?7l", b"\x1b[?7h"
"""Codes that erase the line of the cursor, and turn wrapping off and on. The cursor is never hidden: it must be there
however the daemon ends.
"""

_MIN_COLUMNS = 20
_DEFAULT_COLUMNS = 80
"""Columns of a terminal that does not report its width."""

Chunk = bytes | Callable[[], bytes]


class GapFormatter(Protocol):
    """Words the gaps of a log."""

    def left_out(self, count: int) -> bytes:
        """The line that replaces ``count`` lines."""


class LineSink(Protocol):
    """Takes whole lines."""

    def put(self, data: bytes) -> None: ...


class LogWriter:
    """Writes to a descriptor in the order of `put`, which never blocks and never fails, even without a reader.

    ``gaps`` words the line that replaces lines that were left out.
    """

    def __init__(self, descriptor: int, gaps: GapFormatter, capacity: int = CAPACITY) -> None:
        """Raises OSError when the descriptor is closed."""
        # A copy: another file may get the number when it is closed elsewhere.
        self._descriptor = os.dup(descriptor)
        self._gaps = gaps
        self._capacity = capacity
        self._chunks: deque[Chunk] = deque()
        self._size = 0
        self._left_out = 0
        self._closed = False
        self._below = self._on_screen = ""
        # With a lock that one thread may take twice: garbage collection in `put` may log.
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="pytriton-log", daemon=True)
        self._thread.start()

    @property
    def is_terminal(self) -> bool:
        """Whether the descriptor is a terminal."""
        return os.isatty(self._descriptor)

    @property
    def can_erase(self) -> bool:
        """Whether a line can be erased there."""
        return self.is_terminal and os.environ.get("TERM", "dumb") not in ("dumb", "unknown")

    @property
    def columns(self) -> int:
        """The width of that terminal now."""
        with contextlib.suppress(OSError):
            return max(_MIN_COLUMNS, os.get_terminal_size(self._descriptor).columns or _DEFAULT_COLUMNS)
        return _DEFAULT_COLUMNS

    def put(self, data: bytes) -> None:
        """Write ``data``, whole lines, soon, or count them as left out."""
        with self._changed:
            if self._left_out or self._size + len(data) > self._capacity:
                self._left_out += data.count(b"\n")
            else:
                self._add(data)
            self._changed.notify()

    def put_made(self, make: Callable[[], bytes]) -> None:
        """Write what ``make`` returns, soon. The writing thread calls it, because it may take long."""
        with self._changed:
            self._chunks.append(make)
            self._changed.notify()

    def keep_below(self, line: str) -> None:
        """Keep ``line`` below all other lines, in place of the one before, where lines can be erased; "" for none."""
        with self._changed:
            if line != self._below:
                self._below = line
                self._changed.notify()

    def close(self, timeout: float) -> None:
        """Wait until everything is written, at most ``timeout`` seconds; what is put later is lost."""
        with self._changed:
            self._closed = True
            self._below = ""
            self._changed.notify()
        self._thread.join(timeout)

    def _add(self, data: bytes) -> None:
        self._chunks.append(data)
        self._size += len(data)

    def _run(self) -> None:
        while (found := self._next()) is not None:
            erase, chunk = found
            _write(self._descriptor, erase + (chunk if isinstance(chunk, bytes) else chunk()))
        os.close(self._descriptor)

    def _next(self) -> tuple[bytes, Chunk] | None:
        """The codes that erase, and the chunk to write then; None at the end."""
        with self._changed:
            self._changed.wait_for(self._has_work)
            if self._left_out and self._size <= self._capacity // 2:
                count, self._left_out = self._left_out, 0
                self._add(self._gaps.left_out(count))
            erase = _ERASE if self._on_screen else b""
            if self._chunks:
                self._on_screen = ""
                chunk = self._chunks.popleft()
                self._size -= len(chunk) if isinstance(chunk, bytes) else 0
                return erase, chunk
            if self._below == self._on_screen:
                return None
            self._on_screen = self._below
            # A line that wraps could not be erased, and the window may have become narrower since `columns`; in the
            # last column the cursor is between two lines.
            line = cut(self._below, self.columns - 1).encode(errors="backslashreplace")
            return erase, _NO_WRAP + line + _WRAP if line else b""

    def _has_work(self) -> bool:
        return bool(self._chunks or self._left_out or self._closed or self._below != self._on_screen)


class LineStream(io.TextIOBase):
    """Whole lines for ``sink``, None to drop them. It replaces `sys.stdout`: hook plugins may print in the daemon."""

    def __init__(self, sink: LineSink | None) -> None:
        self._sink = sink
        self._rest = ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        lines, end, self._rest = (self._rest + text).rpartition("\n")
        if end and self._sink is not None:
            self._sink.put((lines + end).encode(errors="backslashreplace"))
        return len(text)


def _write(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(descriptor, rest) :]
        except BlockingIOError:  # another process has made it so
            wait_until_writable(descriptor)
        except OSError:
            return  # there is no reader, or the disk is full: the daemon serves on
