"""The limit of time for each response of a stream."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from pytriton_plugins.client.address import Address
from pytriton_plugins.client.request import Request
from pytriton_plugins.client.transport.failures import late

Answer = TypeVar("Answer")
OPTION = "response_timeout="


async def in_time(answer: Awaitable[Answer], address: Address, request: Request) -> Answer:
    """The next response; raises DeadlineExceeded after the request's ``response_timeout``."""
    seconds = request.response_timeout
    if seconds is None:
        return await answer
    work = asyncio.ensure_future(answer)
    try:
        await asyncio.wait([work], timeout=seconds)
        is_late = not work.done()
    finally:
        await _ended(work)
    if is_late and work.cancelled():
        raise late(address, seconds, request.model, OPTION)
    return work.result()


async def _ended(work: asyncio.Future[Answer]) -> None:
    """Cancel the work if it still runs; its error counts as seen."""
    if not work.done():
        work.cancel()
        await asyncio.wait([work])
    if not work.cancelled():
        work.exception()


class ResponseWatch:
    """Calls ``cancel``, once, when one wait for a response takes longer than ``seconds``; None is unlimited.

    A thread for the whole stream: a wait costs two assignments.
    """

    def __init__(self, seconds: float | None, cancel: Callable[[], object]) -> None:
        self.is_late = False
        self._seconds, self._cancel = seconds, cancel
        self._deadline: float | None = None
        self._end = threading.Event()
        if seconds is not None:
            threading.Thread(target=self._watch, args=(seconds,), name="response-watch", daemon=True).start()

    def __enter__(self) -> None:
        if self._seconds is not None:
            self._deadline = time.monotonic() + self._seconds

    def __exit__(self, *_: object) -> None:
        self._deadline = None

    def close(self) -> None:
        """End the thread."""
        self._end.set()

    def _watch(self, seconds: float) -> None:
        pause = seconds
        while not self._end.wait(pause):
            deadline, now = self._deadline, time.monotonic()
            if deadline is not None and now >= deadline:
                self.is_late = True
                self._cancel()
                return
            pause = seconds if deadline is None else deadline - now
