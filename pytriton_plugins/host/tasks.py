"""Tasks that are not awaited: their errors are logged, and asyncio has nothing to complain of."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

from pytriton_plugins.errors import PytritonPluginsError

_LOG = logging.getLogger("pytriton.host")


def background(work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    """Start a task that is not awaited."""
    task = asyncio.get_running_loop().create_task(work)
    task.add_done_callback(consume)
    return task


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
