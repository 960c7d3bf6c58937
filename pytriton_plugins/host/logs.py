"""Where the daemon's log goes and how a line looks; runs in the host."""

from __future__ import annotations

import logging
import sys


def set_up_logging(level: str) -> None:
    """Text lines on standard error: time, level, who, what."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s"))
    logger = logging.getLogger("pytriton")
    logger.handlers[:] = [handler]
    logger.setLevel(level.upper())
    logger.propagate = False
