"""Standard output and error of a command: if output cannot be written, the command ends with one line."""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import TYPE_CHECKING, TextIO

from pytriton_plugins.errors import PytritonPluginsError
from pytriton_plugins.shm.polling import wait_until_writable

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


_OUTPUT, _ERROR = 1, 2


class OutputFailed(PytritonPluginsError):
    """Standard output cannot be written. ``quiet``: its reader has ended, as in ``| head -1``."""

    def __init__(self, error: OSError) -> None:
        reason = "it is closed" if error.errno == errno.EBADF else error.strerror
        super().__init__(f"standard output cannot be written: {reason}")
        self.quiet = error.errno == errno.EPIPE

    @property
    def messages(self) -> tuple[str, ...]:
        """The lines that explain the failure, if any."""
        return () if self.quiet else (str(self),)


class _Descriptor(io.RawIOBase):
    """Standard output or error. After its first failure it drops everything, or the interpreter's end would fail.

    A failure of standard error is not reported, for there is no other place for it.
    """

    def __init__(self, number: int, *, is_open: bool) -> None:
        self._number = number
        self._is_lost = not is_open and number == _ERROR
        self._is_open = is_open

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._number

    def isatty(self) -> bool:
        return self._is_open and os.isatty(self._number)

    def write(self, given: ReadableBuffer, /) -> int:
        data = memoryview(given)
        if self._is_lost:
            return len(data)
        try:
            if not self._is_open:  # it was closed when this program started: its number may be another file's now
                raise OSError(errno.EBADF, os.strerror(errno.EBADF))
            return _write(self._number, data)
        except OSError as error:
            self._is_lost = True
            if self._number == _ERROR:
                return len(data)
            raise OutputFailed(error) from None


def _write(number: int, data: memoryview) -> int:
    while True:
        try:
            return os.write(number, data)
        except BlockingIOError:  # another process has set the open file to non-blocking
            wait_until_writable(number)


def guard() -> None:
    """Replace `sys.stdout`, so that a failed write raises OutputFailed, and `sys.stderr`, so that it is ignored."""
    sys.stdout = _stream(_OUTPUT, sys.stdout)
    sys.stderr = _stream(_ERROR, sys.stderr)


def _stream(number: int, before: TextIO | None) -> TextIO:
    raw = _Descriptor(number, is_open=before is not None)
    encoding = before.encoding if before is not None else "utf-8"
    lines = number == _ERROR or raw.isatty()
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding, errors="backslashreplace", line_buffering=lines)


def finish() -> None:
    """Flush standard output; raises OutputFailed."""
    if sys.stdout is not None:  # it is None only in a program that calls `run` itself
        sys.stdout.flush()
