"""Whether an event loop ran while a connection was being made."""

from __future__ import annotations

import asyncio


class LoopWatch:
    """Tells a server that does not answer from an event loop that was too busy to see the answer within the timeout."""

    def __init__(self, loop: asyncio.AbstractEventLoop, timeout: float) -> None:
        self._loop = loop
        self._half = timeout / 2
        self._timer: asyncio.TimerHandle | None = None
        self.loop_ran = False
        """Whether the loop ran in the middle of the timeout: an answer before would have been seen."""

    def begin(self) -> None:
        """The connection is being made from now on."""
        self.end()
        self._timer = self._loop.call_later(self._half, self._look, self._loop.time())

    def end(self) -> None:
        """The connection was made, or not."""
        if self._timer is not None:
            self._timer.cancel()

    def _look(self, begun: float) -> None:
        self.loop_ran = self._loop.time() < begun + 1.5 * self._half
