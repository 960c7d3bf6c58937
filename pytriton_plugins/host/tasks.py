"""Owners of tasks: the end of each is taken in, also of one that nobody awaits any more; runs in an event loop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

from pytriton_plugins.errors import PytritonPluginsError

_LOG = logging.getLogger("pytriton.host")


def background(work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    """A task that nobody awaits."""
    task = asyncio.get_running_loop().create_task(work)
    task.add_done_callback(take_in)
    return task


def let_go(*tasks: asyncio.Future[Any] | None) -> None:
    """Cancel tasks that nobody awaits any more. One that ends with an error all the same is not left with it.

    What a task had ended with before, its owner knows.
    """
    for task in tasks:
        if task is None or task.cancelled():
            continue
        if task.done():
            task.exception()
        else:
            task.cancel()
            task.remove_done_callback(take_in)  # it may have been let go before
            task.add_done_callback(take_in)


def take_in(task: asyncio.Future[Any]) -> None:
    """What a task ended with, as a callback of it: our own errors were expected, and others are logged."""
    error = None if task.cancelled() else task.exception()
    if error is not None and not isinstance(error, (PytritonPluginsError, OSError)):
        _LOG.error("the host failed in %s", _name(task), exc_info=error)


def _name(task: asyncio.Future[Any]) -> str:
    return getattr(task.get_coro(), "__qualname__", "a task") if isinstance(task, asyncio.Task) else "a call"
