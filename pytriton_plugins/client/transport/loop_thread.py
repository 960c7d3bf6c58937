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
        # Entered again where the garbage collector closes a stream, or a client, in the middle of a call.
        self._lock = threading.RLock()
        self._is_stopping = False
        self._thread.start()
        _RUNNING.add(self)

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        """Start ``coroutine``; cancelling the future cancels it. Raises ClientClosed after the end."""
        with self._lock:
            if not self._is_stopping:
                return asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        coroutine.close()
        raise ClientClosed("the client is closed; make another one")

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
        with self._lock:
            if self._is_stopping:
                last.close()
            else:
                self.submit(self._end(last))
                self._is_stopping = True
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def leave_to_parent(self) -> None:
        """In a forked child: nothing that happens to these objects reaches the parent's connections."""
        # Another thread may have held the lock, and no thread runs the loop here.
        self._lock = threading.RLock()
        self._is_stopping = True
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
            self._loop.run_until_complete(self._drained())
            self._loop.close()

    async def _end(self, last: Coroutine[Any, Any, None]) -> None:
        try:
            await last
        finally:
            self._loop.stop()

    async def _drained(self) -> None:
        """Cancel what `last` has not ended, such as a pause between two attempts to connect."""
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self._loop.shutdown_asyncgens()


_RUNNING: weakref.WeakSet[LoopThread] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for each in [*_RUNNING]:
        with contextlib.suppress(OSError, RuntimeError, AttributeError):  # the loop may have been closing
            each.leave_to_parent()
    _RUNNING.clear()  # the numbers of their descriptors may mean others by the next fork


os.register_at_fork(after_in_child=_after_fork_in_child)
