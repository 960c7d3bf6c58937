"""Cuts the output of a child into lines, and hands on a limited number of them each second."""

from __future__ import annotations

import re
from collections import deque
from typing import Protocol

from pytriton_plugins.host.log.rate_limit import TokenBucket
from pytriton_plugins.text import printable

MAX_LINE = 8192
"""Bytes of a line; what follows is another line."""

KEPT_LINES = 20
"""Lines that are kept of the first and of the last ones."""

_BYTES_PER_TOKEN = 1024
_LINE_ENDS = re.compile(rb"\n\n+")
"""Empty lines are not shown and cost nothing."""


class LineReceiver(Protocol):
    """Takes the output of a child."""

    def add(self, line: str) -> None:
        """One line, without control characters."""

    def left_out(self, count: int, last: str) -> None:
        """``count`` lines were not handed on; ``last`` is the last one that was printed."""


class LineReader:
    """Gives ``receiver`` each line within a rate; `left_out` counts the others. ``now``: seconds of a clock."""

    def __init__(self, receiver: LineReceiver, now: float) -> None:
        self.first: list[str] = []
        self.last: deque[str] = deque(maxlen=KEPT_LINES)
        """The last ones, also those that were left out."""
        self.left_out = 0
        self._receiver = receiver
        self._bucket = TokenBucket(now)
        self._rest = b""

    @property
    def repeats(self) -> bool:
        """Whether all the last lines are equal."""
        return len(self.last) == KEPT_LINES and len(set(self.last)) == 1

    def feed(self, data: bytes, now: float) -> None:
        """Take in what was read; empty data is the end, and what is left is a line."""
        self._bucket.fill(now)
        text = _LINE_ENDS.sub(b"\n", self._rest + data).lstrip(b"\n")
        *lines, self._rest = text.split(b"\n", max(int(self._bucket.tokens), 0))
        for position, line in enumerate(lines):
            if self._bucket.is_empty:  # after long lines, which count for several
                self._rest = b"\n".join([*lines[position:], self._rest])
                break
            self._hand_on(line)
        if self._bucket.is_empty:
            self._leave_out()
        if len(self._rest) > MAX_LINE or (not data and self._rest):
            line, self._rest = self._rest, b""
            if self._bucket.is_empty:
                self._leave_out(line + b"\n")
            else:
                self._hand_on(line)

    def _leave_out(self, data: bytes | None = None) -> None:
        """Count the lines that have come, and keep the last ones, which explain the end of a child."""
        text = self._rest if data is None else data
        self.left_out += text.count(b"\n")
        *last, rest = text.rsplit(b"\n", KEPT_LINES)
        if len(last) == KEPT_LINES:
            del last[0]  # all lines before them
        self.last.extend(filter(None, map(_shown, last)))
        if data is None:
            self._rest = rest

    def _hand_on(self, line: bytes) -> None:
        self._bucket.take(1 + min(len(line), MAX_LINE) // _BYTES_PER_TOKEN)
        if not (text := _shown(line)):
            return
        if len(self.first) < KEPT_LINES:
            self.first.append(text)
        self.last.append(text)
        self._receiver.add(text)


def _shown(line: bytes) -> str:
    states = [state for state in line.split(b"\r") if state.strip()]  # a progress bar: the last one counts
    text = printable(states[-1][:MAX_LINE].decode(errors="backslashreplace").rstrip()) if states else ""
    return f"(rewritten {_times(len(states) - 1)}) {text}" if len(states) > 1 else text


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
