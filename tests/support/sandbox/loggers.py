"""Loggers as they were before a host set up its own in this process."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator

from pytriton_plugins.host.log.setup import TRITON


@contextlib.contextmanager
def restored_loggers() -> Iterator[logging.Logger]:
    """Gives our own, whose handlers, level and propagation are restored at the end, and those above and below it."""
    logger, triton, root = (logging.getLogger(name) for name in ("pytriton", TRITON, None))
    before = logger.handlers[:], logger.level, logger.propagate, triton.level, root.handlers[:]
    try:
        yield logger
    finally:
        logger.handlers[:], logger.level, logger.propagate, triton.level, root.handlers[:] = before
