"""Lines of a child's output, and the limit on how many of them are read."""

from __future__ import annotations

import pytest

from pytriton_plugins.host.log.line_reader import KEPT_LINES, MAX_LINE, LineReader
from pytriton_plugins.host.log.rate_limit import MAX_BURST, MAX_LINES_PER_SECOND


class Reading:
    """A reader with a clock that the test moves."""

    def __init__(self) -> None:
        self.now = 0.0
        self.lines: list[str] = []
        self.reader = LineReader(self, self.now)

    def add(self, line: str) -> None:
        self.lines.append(line)

    def left_out(self, count: int, last: str) -> None:
        raise AssertionError("the child tells it, not the reader")

    def feed(self, *data: bytes) -> Reading:
        for each in data:
            self.reader.feed(each, self.now)
        return self


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        ([b"one\ntw", b"o\n\n three ", b"\nfour", b""], ["one", "two", " three", "four"]),
        ([b"\x1b[31m\xff\r\n"], [r"\x1b[31m\xff"]),
        ([b"x" * MAX_LINE, b"y", b"z\n"], ["x" * MAX_LINE, "z"]),
    ],
)
def test_lines(data: list[bytes], lines: list[str]) -> None:
    assert Reading().feed(*data).lines == lines


def test_endless_output_is_read_at_a_limited_rate() -> None:
    """A child that prints without end is read at a limited rate; the rest is counted."""
    reading = Reading().feed(b"".join(b"%d\n" % number for number in range(50_000)))
    assert reading.lines == [str(number) for number in range(MAX_BURST)]
    assert reading.reader.left_out == 50_000 - MAX_BURST
    assert list(reading.reader.last)[1:] == [str(number) for number in range(50_001 - KEPT_LINES, 50_000)]
    reading.now = 1.0
    reading.feed(b"y\n" * 1000)
    assert len(reading.lines) == MAX_BURST + MAX_LINES_PER_SECOND
    assert len(reading.lines) + reading.reader.left_out == 51_000


def test_a_loop_that_repeats_one_line_is_seen() -> None:
    """Output that repeats one line is recognised; host/system/child.py reads it more slowly."""
    reading = Reading().feed(b"y\n" * 2000)
    assert reading.reader.repeats
    reading.feed(b"z\n")
    assert not reading.reader.repeats


def test_long_lines_count_for_more() -> None:
    """Long lines use up more of the rate limit than short ones."""
    reading = Reading().feed(*[b"x" * MAX_LINE + b"\n"] * 500)
    assert len(reading.lines) <= MAX_BURST / 8
    assert len(reading.lines) + reading.reader.left_out == 500


def test_without_line_ends_nothing_gathers() -> None:
    """Output without line ends is not kept in memory beyond one line."""
    reading = Reading().feed(*[b"x" * 65536] * 1000)
    assert len(reading.reader._rest) <= MAX_LINE
    assert len(reading.lines) + reading.reader.left_out == 1000
