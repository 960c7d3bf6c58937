"""What a child prints, cut into lines, of which only so many a second are looked at; runs in the host."""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable

from pytriton_plugins.text import printable

MAX_LINE = 8192
KEPT_LINES = 20

LINES_A_SECOND = 200
"""Of one child, over time; a line counts as one more for each KiB."""

LINES_AT_ONCE = 1000
"""Of one child that was quiet before."""

_SIZE_OF_ONE = 1024
_LINE_ENDS = re.compile(rb"\n\n+")
"""Lines without anything, which are not shown, cost nothing."""


class LineReader:
    """Gives ``on_line`` each line without control characters, within a rate; `left_out` counts the others."""

    def __init__(self, on_line: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self.first: list[str] = []
        self.last: deque[str] = deque(maxlen=KEPT_LINES)
        """The last ones, also those that were left out."""
        self.left_out = 0
        self._on_line = on_line
        self._clock = clock
        self._tokens = float(LINES_AT_ONCE)
        self._filled = clock()
        self._rest = b""

    @property
    def repeats(self) -> bool:
        """Whether nothing but one line has come of late."""
        return len(self.last) == KEPT_LINES and len(set(self.last)) == 1

    def feed(self, data: bytes) -> None:
        """Take in what was read; nothing means the end, and whatever has come is a line."""
        self._fill()
        text = _LINE_ENDS.sub(b"\n", self._rest + data).lstrip(b"\n")
        *lines, self._rest = text.split(b"\n", max(int(self._tokens), 0))
        for position, line in enumerate(lines):
            if self._tokens < 1:
                # Long ones, which count for several.
                self._rest = b"\n".join([*lines[position:], self._rest])
                break
            self._hand_on(line)
        if self._tokens < 1:
            self._leave_out()
        if len(self._rest) > MAX_LINE or (not data and self._rest):
            line, self._rest = self._rest, b""
            if self._tokens >= 1:
                self._hand_on(line)
            else:
                self._leave_out(line + b"\n")

    def _fill(self) -> None:
        now = self._clock()
        self._tokens = min(self._tokens + (now - self._filled) * LINES_A_SECOND, LINES_AT_ONCE)
        self._filled = now

    def _leave_out(self, data: bytes | None = None) -> None:
        """Count the lines that have come, and keep the last ones: they are searched for when the child ends."""
        text = self._rest if data is None else data
        self.left_out += text.count(b"\n")
        *last, rest = text.rsplit(b"\n", KEPT_LINES)
        if len(last) == KEPT_LINES:
            del last[0]  # all that stood before
        self.last.extend(filter(None, map(_shown, last)))
        if data is None:
            self._rest = rest

    def _hand_on(self, line: bytes) -> None:
        self._tokens -= 1 + min(len(line), MAX_LINE) // _SIZE_OF_ONE
        if not (text := _shown(line)):
            return
        if len(self.first) < KEPT_LINES:
            self.first.append(text)
        self.last.append(text)
        self._on_line(text)


def _shown(line: bytes) -> str:
    states = [state for state in line.split(b"\r") if state.strip()]  # of a progress bar, of which the last stays
    text = printable(states[-1][:MAX_LINE].decode(errors="backslashreplace").rstrip()) if states else ""
    return f"(rewritten {_times(len(states) - 1)}) {text}" if len(states) > 1 else text


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
