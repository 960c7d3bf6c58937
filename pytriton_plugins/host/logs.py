"""Where the daemon's log goes and how a line looks; runs in the host."""

from __future__ import annotations

import logging
import sys

from pytriton_plugins.text import printable


class _Lines(logging.Formatter):
    """One line for each message: those of plugins, models and servers may have line ends and control characters."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        return printable(super().formatMessage(record))


def set_up_logging(level: str) -> None:
    """Text lines on standard error: time, level, who, what."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines("%(asctime)s %(levelname)-7s %(name)s: %(message)s"))
    logger = logging.getLogger("pytriton")
    logger.handlers[:] = [handler]
    logger.setLevel(level.upper())
    logger.propagate = False
