"""The last errors of the log, for `status`; runs in the host, in whichever thread logs."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Sequence

from pytriton_plugins.host.workers.output import TRACEBACK
from pytriton_plugins.text import one_line
from pytriton_plugins.text.exceptions import name_of, text_of

KEPT = 20
"""Errors that are remembered."""

_LONGEST = 1000


class RecentErrors(logging.Handler):
    """Keeps the last KEPT lines of level ERROR, oldest first, as plain values: when, whose, what."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self._lines: deque[dict[str, str]] = deque(maxlen=KEPT)

    @classmethod
    def watching(cls, logger: str) -> RecentErrors:
        """One that keeps those of ``logger`` from now on."""
        errors = cls()
        logging.getLogger(logger).addHandler(errors)
        return errors

    @property
    def lines(self) -> list[dict[str, str]]:
        return list(self._lines)

    def emit(self, record: logging.LogRecord) -> None:
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created))
        message = _of_a_child(record) if hasattr(record, "said") else record.getMessage()
        if record.exc_info and record.exc_info[1] is not None:
            message += f": {name_of(record.exc_info[1])}: {text_of(record.exc_info[1])}"
        self._lines.append({"time": at, "logger": record.name, "message": one_line(message, _LONGEST)})


def _of_a_child(record: logging.LogRecord) -> str:
    """What a worker or tritonserver printed in one line: a message, the exception of its traceback, or both."""
    said: list[str] = getattr(record, "said", [])
    message = [] if not said or TRACEBACK.match(said[0]) else [said[0]]
    model = getattr(record, "model", None)
    whose = [f"model {model}"] if model and not message else []
    return ": ".join([*whose, *message, *exception_of(said)])


def exception_of(lines: Sequence[str]) -> list[str]:
    """The exception at the end of a traceback, type and text; nothing where there is no traceback."""
    begins = [place for place, line in enumerate(lines) if TRACEBACK.match(line)]
    if not begins:
        return []
    # A group's lines have a margin.
    after = [line.removeprefix("  | ") for line in lines[begins[-1] + 1 :]]
    return [line for line in after if not line.startswith(" ")][:1]
