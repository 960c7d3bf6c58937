"""The pause before a restart: how it grows, and when there is none."""

from __future__ import annotations

from pytriton_plugins.hooks.backoff import Backoff

BACKOFF = Backoff(first=0.5, longest=3.0, window=60.0, max_ends=5)


def test_the_pause_doubles_up_to_the_longest() -> None:
    assert [BACKOFF.pause(ends) for ends in range(1, 6)] == [0.0, 0.5, 1.0, 2.0, 3.0]


def test_after_too_many_ends_there_is_no_restart() -> None:
    assert BACKOFF.pause(6) is None


def test_an_end_counts_for_a_while() -> None:
    assert BACKOFF.recent([10.0, 39.9, 40.0, 41.0, 99.0], now=100.0) == 2
