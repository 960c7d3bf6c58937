"""The output of a worker as messages of the log: lines that belong together are one message, with its level."""

from __future__ import annotations

import asyncio
import logging
import re
from typing import Any, Protocol

from pytriton_plugins.host.log.setup import about
from pytriton_plugins.text import CONTINUATION, RECORD_START, printable

_LOG = logging.getLogger("pytriton.worker")

_LEVELS = {name: getattr(logging, name) for name in ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")}
_RECORD = re.compile(rf"({'|'.join(_LEVELS)}) (.+?): (.*)")
_RECORD_MARK, _MORE_MARK = map(printable, (RECORD_START, CONTINUATION))
"""The marks of a worker's own `logging` (worker/log.py), in the form in which lines of children arrive."""

_GROUP, _BEGIN = "  + Exception Group ", "Traceback (most recent call last):"
TRACEBACK = re.compile(f"({re.escape(_GROUP)})?{re.escape(_BEGIN)}")

_CHAINED = (
    "During handling of the above exception, another exception occurred:",
    "The above exception was the direct cause of the following exception:",
)
_MAX_LINES = 300
"""Lines of one message; the next line begins another."""

_NEXT_LINE_TIMEOUT = 0.05
"""Seconds for the next line of a traceback: `traceback.print_exc` writes each line by itself."""


def unmarked(line: str) -> str:
    """A worker's line without marks."""
    return line.removeprefix(_RECORD_MARK).removeprefix(_MORE_MARK)


class LogSubject(Protocol):
    """The source of messages."""

    def log_fields(self) -> dict[str, Any]:
        """The plugin, model and process id that each message has, as they are now."""


class WorkerOutput:
    """Takes the lines of ``subject`` in order, and logs them."""

    def __init__(self, subject: LogSubject) -> None:
        self._subject = subject
        self._lines: list[str] = []
        self._level = logging.INFO
        self._source: str | None = None
        self._flush_handle: asyncio.Handle | None = None
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
        if len(self._lines) < _MAX_LINES and (self._lines if goes_on else self._belongs(line)):
            self._lines.append(line)
        else:
            self.flush()
            self._lines.append(self._first_line(line))
        self._flush_soon(in_pieces=goes_on or self._in_traceback)

    def flush(self) -> None:
        """Log what is held back."""
        if self._flush_handle is not None:
            self._flush_handle.cancel()
            self._flush_handle = None
        lines, self._lines = self._lines, []
        if lines:
            fields = about(printed=lines, source=self._source, **self._subject.log_fields())
            _LOG.log(self._level, "%s", lines[0], extra=fields)
        self._in_traceback = self._error_follows = False

    def left_out(self, count: int, last: str) -> None:
        """Log that ``count`` lines are missing."""
        self.flush()
        lines = [f"… {count} lines left out"]
        _LOG.warning("%s", lines[0], extra=about(printed=lines, **self._subject.log_fields()))

    def _flush_soon(self, *, in_pieces: bool) -> None:
        loop = asyncio.get_running_loop()
        if self._flush_handle is not None:
            self._flush_handle.cancel()
        # A short message is one write and one read, after which the loop calls this.
        self._flush_handle = (
            loop.call_later(_NEXT_LINE_TIMEOUT, self.flush) if in_pieces else loop.call_soon(self.flush)
        )

    def _first_line(self, line: str) -> str:
        """The first line of a message without its mark; sets level and source."""
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
        """Whether ``line`` continues the traceback that is held back."""
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
    """The text without a line end before a traceback that begins in ``line``, and ``line`` without it.

    Without a regular expression: most lines have no traceback, and may be long.
    """
    if not line.endswith(_BEGIN):
        return "", line
    start = len(line) - len(_BEGIN)
    start -= len(_GROUP) if line.endswith(_GROUP, 0, start) else 0
    return line[:start].rstrip(), line[start:]
