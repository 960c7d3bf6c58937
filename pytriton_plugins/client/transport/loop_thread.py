"""An event loop in a thread of its own, for clients that are not asynchronous."""

from __future__ import annotations

import asyncio
import contextlib
import os
import selectors
import threading
import weakref
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

from pytriton_plugins.client.errors import ClientClosed

T = TypeVar("T")


class LoopThread:
    """Runs coroutines for any thread until it is stopped."""

    def __init__(self) -> None:
        # Not epoll: a forked child shares its state in the kernel, and would change it at its end.
        self._selector = selectors.PollSelector()
        self._loop = asyncio.SelectorEventLoop(self._selector)
        self._thread = threading.Thread(target=self._run, name="pytriton-client", daemon=True)
        self._thread.start()
        _RUNNING.add(self)

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        """Start ``coroutine``; cancelling the future cancels it. Raises ClientClosed after the end."""
        try:
            return asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        except RuntimeError:  # the loop is closed
            coroutine.close()
            raise ClientClosed("the client is closed; make another one") from None

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """The result of ``coroutine``, which is cancelled if the wait is interrupted."""
        future = self.submit(coroutine)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def stop(self, last: Coroutine[Any, Any, None]) -> None:
        """Run ``last``, cancel what still runs, and end the thread; also from a destructor in any thread."""
        with contextlib.suppress(ClientClosed):
            self.submit(self._end(last))
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def leave_to_parent(self) -> None:
        """In a forked child: nothing that happens to these objects reaches the parent's connections."""
        descriptors = [key.fd for key in self._selector.get_map().values()]
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        for each in descriptors:
            os.dup2(null, each, inheritable=False)
        os.close(null)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()

    async def _end(self, last: Coroutine[Any, Any, None]) -> None:
        try:
            await last
            # The requests fail by themselves as their connections are closed; the others wait for one.
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)
        finally:
            self._loop.stop()


_RUNNING: weakref.WeakSet[LoopThread] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for each in [*_RUNNING]:
        with contextlib.suppress(OSError, RuntimeError, AttributeError):  # the loop may have been closing
            each.leave_to_parent()


os.register_at_fork(after_in_child=_after_fork_in_child)
