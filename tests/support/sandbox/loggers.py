"""Restores the loggers of this process after a host has set up its own."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator

from pytriton_plugins.host.log.setup import TRITON


@contextlib.contextmanager
def restored_loggers() -> Iterator[logging.Logger]:
    """Yields the project's logger; restores it and the loggers above and below it at the end."""
    logger, triton, root = (logging.getLogger(name) for name in ("pytriton", TRITON, None))
    before = logger.handlers[:], logger.level, logger.propagate, triton.level, root.handlers[:]
    try:
        yield logger
    finally:
        logger.handlers[:], logger.level, logger.propagate, triton.level, root.handlers[:] = before
