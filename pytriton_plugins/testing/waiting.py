"""Waits for a condition with a deadline, instead of sleeping."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
_POLL_INTERVAL = 0.01
_FACTOR = "PYTRITON_TEST_PATIENCE"
"""The variable that multiplies timeouts, for a slow or busy machine."""


def wait_until(condition: Callable[[], T], timeout: float = 10.0, what: str = "") -> T:
    """The first true value of ``condition()``; raises TimeoutError that names ``what`` after ``timeout`` seconds.

    Where PYTRITON_TEST_PATIENCE is set, to 5 for example, it waits that many times as long.
    """
    timeout *= float(os.environ.get(_FACTOR) or 1)
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= deadline:
            raise TimeoutError(f"not within {timeout:g} s: {what or getattr(condition, '__name__', condition)}")
        time.sleep(_POLL_INTERVAL)
