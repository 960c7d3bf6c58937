"""What a worker prints, as messages of the log: lines that belong together, with their level; runs in the host."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable
from typing import Any

from pytriton_plugins.host.log.setup import about
from pytriton_plugins.text import CONTINUATION, RECORD_START, printable

_LOG = logging.getLogger("pytriton.worker")

_LEVELS = {name: getattr(logging, name) for name in ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")}
_RECORD = re.compile(rf"({'|'.join(_LEVELS)}) (.+?): (.*)")
_RECORD_MARK, _MORE_MARK = map(printable, (RECORD_START, CONTINUATION))
"""Of messages of a worker's own `logging` (worker/log.py), as lines of children come here."""

_GROUP, _BEGIN = "  + Exception Group ", "Traceback (most recent call last):"
TRACEBACK = re.compile(f"({re.escape(_GROUP)})?{re.escape(_BEGIN)}")

_CHAINED = (
    "During handling of the above exception, another exception occurred:",
    "The above exception was the direct cause of the following exception:",
)
_MOST_LINES = 300
"""Of one message; what follows begins another."""

_PIECES = 0.05
"""Seconds within which the next line of a traceback comes: `traceback.print_exc` writes each of them by itself."""


def unmarked(line: str) -> str:
    """A worker's line as people read it."""
    return line.removeprefix(_RECORD_MARK).removeprefix(_MORE_MARK)


class WorkerOutput:
    """Takes lines in the order in which they come, and logs them; ``whose`` says what stands in each message."""

    def __init__(self, whose: Callable[[], dict[str, Any]]) -> None:
        self._whose = whose
        self._lines: list[str] = []
        self._level = logging.INFO
        self._source: str | None = None
        self._ends_by: asyncio.Handle | None = None
        self._in_traceback = False
        self._error_follows = False

    def add(self, line: str) -> None:
        """Log ``line``, at once or with what follows it."""
        if not self._in_traceback and not line.startswith((_RECORD_MARK, _MORE_MARK)):
            before, line = _without_unfinished(line)
            if before:
                self._add(before)
        self._add(line)

    def _add(self, line: str) -> None:
        goes_on = line.startswith(_MORE_MARK)
        line = line.removeprefix(_MORE_MARK)
        if len(self._lines) < _MOST_LINES and (self._lines if goes_on else self._belongs(line)):
            self._lines.append(line)
        else:
            self.flush()
            self._lines.append(self._begun(line))
        self._flush_soon(in_pieces=goes_on or self._in_traceback)

    def flush(self) -> None:
        """Log what is held back."""
        if self._ends_by is not None:
            self._ends_by.cancel()
            self._ends_by = None
        said, self._lines = self._lines, []
        if said:
            _LOG.log(self._level, "%s", said[0], extra=about(said=said, source=self._source, **self._whose()))
        self._in_traceback = self._error_follows = False

    def left_out(self, count: int) -> None:
        """Say that ``count`` lines are not in the log."""
        self.flush()
        said = [f"… {count} lines left out"]
        _LOG.warning("%s", said[0], extra=about(said=said, **self._whose()))

    def _flush_soon(self, *, in_pieces: bool) -> None:
        loop = asyncio.get_running_loop()
        if self._ends_by is not None:
            self._ends_by.cancel()
        # A short message is one write and one read, after which the loop calls this.
        self._ends_by = loop.call_later(_PIECES, self.flush) if in_pieces else loop.call_soon(self.flush)

    def _begun(self, line: str) -> str:
        """What is shown of a message's first line."""
        record = _RECORD.fullmatch(line.removeprefix(_RECORD_MARK)) if line.startswith(_RECORD_MARK) else None
        self._level, self._source = logging.INFO, None
        if record:
            self._level, self._source = _LEVELS[record[1]], record[2]
            return record[3]
        if TRACEBACK.match(line):
            self._level = logging.ERROR
            self._in_traceback = self._error_follows = True
        return line

    def _belongs(self, line: str) -> bool:
        """Whether ``line`` goes on with the traceback that is held back."""
        if not self._in_traceback or line.startswith(_RECORD_MARK):
            return False
        if line.startswith(" "):
            self._error_follows = True
            return True
        if TRACEBACK.match(line):
            self._error_follows = True
            return self._lines[-1] in _CHAINED
        follows, self._error_follows = self._error_follows, False
        return follows or line in _CHAINED


def _without_unfinished(line: str) -> tuple[str, str]:
    """What was printed without a line end before the traceback that begins with ``line``, and ``line`` without it.

    Not by a regular expression: most lines are none of these, and may be long.
    """
    if not line.endswith(_BEGIN):
        return "", line
    start = len(line) - len(_BEGIN)
    start -= len(_GROUP) if line.endswith(_GROUP, 0, start) else 0
    return line[:start].rstrip(), line[start:]
