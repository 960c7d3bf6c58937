"""Calls hooks that only notify: in order, in a thread of their own, so that none blocks the host."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable
from typing import Any

_Call = tuple[Callable[..., object], tuple[Any, ...]]


class HookNotifier:
    """One daemon thread that makes the calls it is given, one after the other; its callers never wait."""

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[_Call | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def notify(self, function: Callable[..., object], *arguments: Any) -> None:
        """Have ``function``, which does not raise, called with ``arguments`` after all earlier calls."""
        self._calls.put((function, arguments))
        if self._thread is None:
            with contextlib.suppress(RuntimeError):  # no thread can be started: perhaps with the next call
                thread = threading.Thread(target=self._run, name="pytriton-notifier", daemon=True)
                thread.start()
                self._thread = thread

    def close(self, timeout: float) -> bool:
        """Wait until all calls have returned, at most ``timeout`` seconds; False if one has not."""
        if self._thread is None:
            return True
        self._calls.put(None)
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (call := self._calls.get()) is not None:
            function, arguments = call
            function(*arguments)
