"""A worker's `logging`, in lines that the daemon tells from what else is printed (host/worker_output.py)."""

from __future__ import annotations

import logging
import sys

from pytriton_plugins.text import GOES_ON, RECORD


class MarkedLines(logging.Formatter):
    """Level, logger and message, and a traceback; each line is marked, so that all of them stay one message."""

    def format(self, record: logging.LogRecord) -> str:
        return RECORD + super().format(record).replace("\n", "\n" + GOES_ON)


def set_up_logging() -> None:
    """Messages from INFO on go to standard error, which the daemon reads."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(MarkedLines("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
