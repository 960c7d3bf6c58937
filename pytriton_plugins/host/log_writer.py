"""Lines for standard error or output, written by a thread: who logs never waits for who reads; runs in the host."""

from __future__ import annotations

import contextlib
import os
import select
import threading
from collections import deque
from collections.abc import Callable

CAPACITY = 4 << 20
"""Bytes that wait at most; what comes while they do is left out and counted."""


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
        self._chunks: deque[bytes] = deque()
        self._size = 0
        self._left_out = 0
        self._closed = False
        # Its lock may be taken twice by one thread: what is collected meanwhile may log as it goes.
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="pytriton-log", daemon=True)
        self._thread.start()

    def put(self, data: bytes) -> None:
        """Have ``data``, whole lines, written soon, or counted."""
        with self._changed:
            if self._left_out or self._size + len(data) > self._capacity:
                self._left_out += data.count(b"\n")
            else:
                self._add(data)
            self._changed.notify()

    def close(self, patience: float) -> None:
        """Wait until everything is written, at most ``patience`` seconds; what is put later is lost."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(patience)

    def _add(self, data: bytes) -> None:
        self._chunks.append(data)
        self._size += len(data)

    def _run(self) -> None:
        while (data := self._next()) is not None:
            _write(self._descriptor, data)
        os.close(self._descriptor)

    def _next(self) -> bytes | None:
        with self._changed:
            self._changed.wait_for(lambda: self._chunks or self._left_out or self._closed)
            if self._left_out and self._size <= self._capacity // 2:
                count, self._left_out = self._left_out, 0
                self._add(self._describe(count))
            if not self._chunks:
                return None
            data = self._chunks.popleft()
            self._size -= len(data)
            return data


def write_aside(descriptor: int, text: str) -> threading.Thread:
    """Write a text that comes once, in a thread of its own, which is given back and need not be waited for."""
    data = text.encode(errors="backslashreplace")
    thread = threading.Thread(target=_write, args=(descriptor, data), name="pytriton-text", daemon=True)
    with contextlib.suppress(RuntimeError):  # no thread can be had: the text is left out, and the daemon serves
        thread.start()
    return thread


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
