"""Calls that only tell hook plugins something: in order, in a thread of their own, so that none holds up the host."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable
from typing import Any

_Call = tuple[Callable[..., object], tuple[Any, ...]]


class Teller:
    """One daemon thread that makes the calls it is given, one after the other; its callers never wait."""

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[_Call | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def tell(self, function: Callable[..., object], *arguments: Any) -> None:
        """Have ``function``, which does not raise, called with ``arguments`` after everything told before."""
        self._calls.put((function, arguments))
        if self._thread is None:
            with contextlib.suppress(RuntimeError):  # no thread can be had: perhaps with the next call
                thread = threading.Thread(target=self._run, name="pytriton-telling", daemon=True)
                thread.start()
                self._thread = thread

    def close(self, patience: float) -> bool:
        """Wait until everything was told, at most ``patience`` seconds; False if something was not."""
        if self._thread is None:
            return True
        self._calls.put(None)
        self._thread.join(patience)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (call := self._calls.get()) is not None:
            function, arguments = call
            function(*arguments)
