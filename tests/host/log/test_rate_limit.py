"""Messages of the daemon that clients can cause without end are limited in rate."""

from __future__ import annotations

import logging

from pytriton_plugins.host.log.rate_limit import MAX_BURST, MAX_LINES_PER_SECOND, MessageRate


def record(message: str, *arguments: object) -> logging.LogRecord:
    return logging.LogRecord("pytriton.host", logging.WARNING, "", 0, message, arguments, None)


def test_one_message_is_limited_and_others_are_not() -> None:
    now = 0.0
    rate = MessageRate()
    told = [rate.take(record("model %s: no room", number), now) for number in range(5000)]
    assert told == [0] * MAX_BURST + [None] * (5000 - MAX_BURST)
    assert rate.take(record("model %s: another", 1), now) == 0
    now = 1.0
    again = [rate.take(record("model %s: no room", number), now) for number in range(5000)]
    assert again == [5000 - MAX_BURST] + [0] * (MAX_LINES_PER_SECOND - 1) + [None] * (5000 - MAX_LINES_PER_SECOND)


def test_messages_without_end_take_no_memory_without_end() -> None:
    """The memory for the rates of many different messages is limited."""
    rate = MessageRate()
    assert {rate.take(record(f"message {number}"), 0.0) for number in range(5000)} == {0}
    assert len(rate._messages) <= 500
