"""Tasks that are not awaited: their errors are logged, and asyncio has nothing to complain of."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

from pytriton_plugins.errors import PytritonPluginsError

T = TypeVar("T")

_LOG = logging.getLogger("pytriton.host")


def background(work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    """Start a task that is not awaited."""
    task = asyncio.get_running_loop().create_task(work)
    task.add_done_callback(consume)
    return task


async def result_unless(event: asyncio.Event, work: Coroutine[Any, Any, T]) -> T | None:
    """The result of ``work``; None if ``event`` comes first, and ``work`` has ended by then."""
    task = asyncio.ensure_future(work)
    waiting = asyncio.ensure_future(event.wait())
    try:
        await asyncio.wait([task, waiting], return_when=asyncio.FIRST_COMPLETED)
        return await task if task.done() else None
    finally:
        discard(waiting)
        if not task.done():
            discard(task)
            await asyncio.wait([task])


def discard(*tasks: asyncio.Future[Any] | None) -> None:
    """Cancel tasks that are not awaited any more. The error of one that fails all the same is logged.

    An error from before is not: its owner knows it.
    """
    for task in tasks:
        if task is None or task.cancelled():
            continue
        if task.done():
            task.exception()
        else:
            task.cancel()
            task.remove_done_callback(consume)  # it may have been discarded before
            task.add_done_callback(consume)


def consume(task: asyncio.Future[Any]) -> None:
    """Retrieve the error of a task, as its callback: our own errors were expected, and others are logged."""
    error = None if task.cancelled() else task.exception()
    if error is not None and not isinstance(error, (PytritonPluginsError, OSError)):
        _LOG.error("internal error in %s", _name(task), exc_info=error)


def _name(task: asyncio.Future[Any]) -> str:
    return getattr(task.get_coro(), "__qualname__", "a task") if isinstance(task, asyncio.Task) else "a call"
