"""A slow or closed log reader does not block the code that logs."""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import termios
import threading
from collections.abc import Iterator

import pytest

from pytriton_plugins.host.log.writer import LineStream, LogWriter
from pytriton_plugins.testing import wait_until

PIPE = 4096
LINE = b"x" * 99 + b"\n"


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """A small pipe: the reading and the writing end."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, PIPE)
    yield reader, writer
    for descriptor in (reader, writer):
        with contextlib.suppress(OSError):  # a test has closed it
            os.close(descriptor)


class Gaps:
    def left_out(self, count: int) -> bytes:
        return b"%d left out\n" % count


class Sink:
    def __init__(self) -> None:
        self.written: list[bytes] = []

    def put(self, data: bytes) -> None:
        self.written.append(data)


def test_a_full_pipe_does_not_block_the_caller(pipe: tuple[int, int]) -> None:
    """With a full pipe, lines that fit are written in order and the missing ones are counted."""
    log = LogWriter(pipe[1], Gaps(), capacity=10_000)
    for _ in range(100_000):
        log.put(LINE)
    assert log._size <= 10_000
    os.close(pipe[1])
    reading = os.fdopen(pipe[0], "rb", closefd=False)
    lines: list[bytes] = []
    while not lines or b"left out" not in lines[-1]:
        lines.append(reading.readline())
    kept = len(lines) - 1
    assert lines[:-1] == [LINE] * kept
    assert int(lines[-1].split()[0]) == 100_000 - kept
    assert 100 <= kept < 300
    log.put(b"after\n")
    assert reading.readline() == b"after\n"
    log.close(60)
    assert reading.readline() == b""


def test_a_reader_that_has_gone(pipe: tuple[int, int]) -> None:
    """The writer ends when the reader has closed its end."""
    log = LogWriter(pipe[1], Gaps())
    os.close(pipe[0])
    log.put(LINE)
    wait_until(lambda: not log._chunks, what="the line is taken")
    log.put(LINE)
    log.close(60)
    assert not log._thread.is_alive()


def test_a_pipe_that_does_not_block(pipe: tuple[int, int]) -> None:
    """A non-blocking pipe gets every line."""
    os.set_blocking(pipe[1], False)
    log = LogWriter(pipe[1], Gaps())
    log.put(LINE * 1000)
    os.close(pipe[1])
    log.close(0)
    with os.fdopen(pipe[0], "rb", closefd=False) as reading:
        assert reading.read() == LINE * 1000


def test_closing_does_not_wait_for_ever(pipe: tuple[int, int]) -> None:
    """`close` returns after its timeout even if the pipe is full."""
    log = LogWriter(pipe[1], Gaps())
    log.put(LINE * 1000)
    log.close(0.01)
    assert log._thread.is_alive()
    os.close(pipe[0])
    log._thread.join(60)


def test_text_that_is_made_late_keeps_its_place(pipe: tuple[int, int]) -> None:
    """Text that the writing thread renders keeps its place; later lines wait for it."""
    log, made = LogWriter(pipe[1], Gaps()), threading.Event()

    def make() -> bytes:
        made.wait(30)
        return threading.current_thread().name.encode() + b"\n"

    log.put_made(make)
    log.put(b"after\n")
    made.set()
    log.close(30)
    os.close(pipe[1])
    with os.fdopen(pipe[0], "rb", closefd=False) as reading:
        assert reading.read() == b"pytriton-log\nafter\n"


def test_a_line_stands_below_all_others_until_it_is_taken_away() -> None:
    """The status line stays last on a terminal of 30 columns, and is cut to its width."""
    ours, theirs = os.openpty()
    fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("HHHH", 10, 30, 0, 0))
    log = LogWriter(theirs, Gaps())
    seen = b""

    def comes(expected: bytes) -> None:
        nonlocal seen
        while not seen.endswith(expected):
            seen += os.read(ours, 1000)

    log.keep_below("waiting for " + "many " * 20)
    line = b"\x1b[?7lwaiting for many many many m\xe2\x80\xa6\x1b[?7h"
    comes(line)
    log.put(b"said\n")
    comes(b"\r\x1b[2Ksaid\r\n" + line)
    log.keep_below("")
    comes(b"\r\x1b[2K")
    log.put(b"the end\n")
    log.close(30)
    comes(b"\x1b[2Kthe end\r\n")
    os.close(ours)
    os.close(theirs)


def test_text_printed_in_the_daemon_comes_in_whole_lines() -> None:
    sink = Sink()
    with contextlib.redirect_stdout(LineStream(sink)):
        print("one", "two\nthree", end="")
        assert sink.written == [b"one two\n"]
        print("\udc80")
    assert sink.written == [b"one two\n", b"three\\udc80\n"]
