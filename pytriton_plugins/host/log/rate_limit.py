"""How often one message of the host itself is told: clients may bring it about as often as they like; in the host."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from pytriton_plugins.host.log.line_reader import LINES_A_SECOND, LINES_AT_ONCE

_MOST_MESSAGES = 500
"""That are kept apart: a hook plugin's may be without end."""


class LogRate:
    """A bucket for each message, told from others by its logger and its text before the arguments are put in."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._buckets: dict[tuple[str, str], tuple[float, float, int]] = {}

    def take(self, record: logging.LogRecord) -> int | None:
        """How many like it were left out since the last one that was told; None when this one is left out too."""
        key = (record.name, str(record.msg))
        now = self._clock()
        tokens, filled, missed = self._buckets.pop(key, (float(LINES_AT_ONCE), now, 0))
        tokens = min(tokens + (now - filled) * LINES_A_SECOND, LINES_AT_ONCE)
        told = tokens >= 1
        self._buckets[key] = (tokens - told, now, 0 if told else missed + 1)
        if len(self._buckets) > _MOST_MESSAGES:
            del self._buckets[next(iter(self._buckets))]  # the one that was told longest ago
        return missed if told else None
