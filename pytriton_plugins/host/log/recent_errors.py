"""The last errors of the log, for `status`."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Sequence

from pytriton_plugins.host.workers.output import TRACEBACK
from pytriton_plugins.text import one_line
from pytriton_plugins.text.exceptions import name_of, text_of

MAX_ERRORS = 20
_MAX_MESSAGE = 1000
"""Characters."""


class RecentErrors(logging.Handler):
    """Keeps the last messages of level ERROR, oldest first: time, logger and message. Any thread may log."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self._lines: deque[dict[str, str]] = deque(maxlen=MAX_ERRORS)

    @classmethod
    def watching(cls, logger: str) -> RecentErrors:
        """A handler that keeps the errors of ``logger`` from now on."""
        errors = cls()
        logging.getLogger(logger).addHandler(errors)
        return errors

    @property
    def lines(self) -> list[dict[str, str]]:
        return list(self._lines)

    def emit(self, record: logging.LogRecord) -> None:
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created))
        message = _child_message(record) if hasattr(record, "printed") else record.getMessage()
        if record.exc_info and record.exc_info[1] is not None:
            message += f": {name_of(record.exc_info[1])}: {text_of(record.exc_info[1])}"
        self._lines.append({"time": at, "logger": record.name, "message": one_line(message, _MAX_MESSAGE)})


def _child_message(record: logging.LogRecord) -> str:
    """The output of a worker or of tritonserver in one line: a message, the exception of its traceback, or both."""
    lines: list[str] = getattr(record, "printed", [])
    message = [] if not lines or TRACEBACK.match(lines[0]) else [lines[0]]
    model = getattr(record, "model", None)
    subject = [f"model {model}"] if model and not message else []
    return ": ".join([*subject, *message, *exception_of(lines)])


def exception_of(lines: Sequence[str]) -> list[str]:
    """The exception at the end of a traceback, type and text; empty without a traceback."""
    begins = [place for place, line in enumerate(lines) if TRACEBACK.match(line)]
    if not begins:
        return []
    # A group's lines have a margin.
    after = [line.removeprefix("  | ") for line in lines[begins[-1] + 1 :]]
    return [line for line in after if not line.startswith(" ")][:1]
