"""The rate of the log: the lines of each child, and each message of the daemon, which clients can cause."""

from __future__ import annotations

import logging

MAX_LINES_PER_SECOND = 200
"""Over time: of one child, where a line counts as one more for each KiB, and of one message of the daemon."""

MAX_BURST = 1000
"""Lines at once, after a quiet time."""

_MAX_MESSAGES = 500
"""Messages with a bucket of their own: a hook plugin may log different ones without end."""


class TokenBucket:
    """Tokens for lines: `MAX_BURST` at first and at most, `MAX_LINES_PER_SECOND` more each second.

    Moments are seconds of one monotonic clock.
    """

    def __init__(self, now: float) -> None:
        self.tokens = float(MAX_BURST)
        self._filled = now

    @property
    def is_empty(self) -> bool:
        return self.tokens < 1

    def fill(self, now: float) -> None:
        """Add the tokens of the time since the last call."""
        self.tokens = min(self.tokens + (now - self._filled) * MAX_LINES_PER_SECOND, MAX_BURST)
        self._filled = now

    def take(self, count: int = 1) -> None:
        """Take tokens, also more than there are: a long line is followed by a longer pause."""
        self.tokens -= count


class _Message:
    """The bucket of one message, and how many like it were left out since the last one that was logged."""

    def __init__(self, now: float) -> None:
        self.bucket = TokenBucket(now)
        self.left_out = 0


class MessageRate:
    """A bucket for each message; two records are one message if logger and text without arguments are equal."""

    def __init__(self) -> None:
        self._messages: dict[tuple[str, str], _Message] = {}

    def take(self, record: logging.LogRecord, now: float) -> int | None:
        """How many like it were left out since the last one that was logged; None if this one is left out too."""
        key = (record.name, str(record.msg))
        message = self._messages.pop(key) if key in self._messages else _Message(now)
        self._messages[key] = message  # the newest stands last, so the first one has been silent for longest
        if len(self._messages) > _MAX_MESSAGES:
            del self._messages[next(iter(self._messages))]
        message.bucket.fill(now)
        if message.bucket.is_empty:
            message.left_out += 1
            return None
        message.bucket.take()
        left_out, message.left_out = message.left_out, 0
        return left_out
