"""A message of the host that clients bring about without end is told at a rate."""

from __future__ import annotations

import logging

from pytriton_plugins.host.log.line_reader import LINES_A_SECOND, LINES_AT_ONCE
from pytriton_plugins.host.log.rate_limit import LogRate


def record(message: str, *arguments: object) -> logging.LogRecord:
    return logging.LogRecord("pytriton.host", logging.WARNING, "", 0, message, arguments, None)


def test_one_message_is_limited_and_others_are_not() -> None:
    now = 0.0
    rate = LogRate(lambda: now)
    told = [rate.take(record("model %s: no room", number)) for number in range(5000)]
    assert told == [0] * LINES_AT_ONCE + [None] * (5000 - LINES_AT_ONCE)
    assert rate.take(record("model %s: another", 1)) == 0
    now = 1.0
    again = [rate.take(record("model %s: no room", number)) for number in range(5000)]
    assert again == [5000 - LINES_AT_ONCE] + [0] * (LINES_A_SECOND - 1) + [None] * (5000 - LINES_A_SECOND)


def test_messages_without_end_take_no_memory_without_end() -> None:
    rate = LogRate()
    assert {rate.take(record(f"message {number}")) for number in range(5000)} == {0}
    assert len(rate._buckets) <= 500
