"""The last errors of the log, for `status`; runs in the host, in whichever thread logs."""

from __future__ import annotations

import logging
import time
from collections import deque

from pytriton_plugins.text import one_line

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
        message = record.getMessage()
        if record.exc_info and record.exc_info[1] is not None:
            message += f": {type(record.exc_info[1]).__name__}: {record.exc_info[1]}"
        self._lines.append({"time": at, "logger": record.name, "message": one_line(message, _LONGEST)})
