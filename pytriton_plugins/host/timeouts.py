"""Waiting with a timeout."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from pytriton_plugins.host.tasks import discard

T = TypeVar("T")


async def within(awaitable: Awaitable[T], seconds: float | None) -> T:
    """The result of ``awaitable``, which is cancelled when it is late or the caller is cancelled; None: no timeout.

    Raises TimeoutError, an OSError, after the cancelled work has ended, and what the work itself raises.
    """
    # Not `asyncio.wait_for`: before Python 3.12 it loses a cancellation that comes together with the result.
    work = asyncio.ensure_future(awaitable)
    try:
        await asyncio.wait([work], timeout=seconds)
        is_late = not work.done()
    finally:
        discard(work)
        if not work.done():
            await asyncio.wait([work])
    if is_late and work.cancelled():
        raise TimeoutError
    return work.result()
