"""The queue of workers that start: as many at a time as the processors can serve."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter, deque
from collections.abc import AsyncIterator
from pathlib import Path

from pytriton_plugins.host.system.processors import usable_processors

STARTS_PER_PROCESSOR = 2
"""While one worker reads files, another computes."""

_POLL_INTERVAL = 1.0
"""Seconds between two looks at the processor time of a worker in its turn."""

_IDLE_TICKS = 1
"""Ticks of the kernel: the most processor time between two looks that counts as waiting."""

_MAX_TURN = 10.0
"""Seconds of a turn: a plugin that computes without end must not hold up the others until its timeout."""


def start_queue(parallelism: int | None) -> StartQueue:
    """A queue with ``parallelism`` starts at a time; None: by the number of usable processors."""
    return StartQueue(parallelism or STARTS_PER_PROCESSOR * usable_processors())


class StartQueue:
    """``count`` starts at a time. A worker that has begun comes first: it can soon serve, and it holds memory."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._owners: Counter[int] = Counter()
        """How many turns each object waits for, by its id: `awaits` is called hundreds of times a second."""

    @contextlib.asynccontextmanager
    async def turn(self, owner: object, *, begun: bool = False) -> AsyncIterator[Turn]:
        """Wait for a turn for ``owner``. It ends with the block, or before (see `Turn`)."""
        await self._take(owner, begun)
        turn = Turn(self)
        try:
            yield turn
        finally:
            turn.end()

    def awaits(self, owner: object) -> bool:
        """Whether ``owner`` waits for a turn."""
        return id(owner) in self._owners

    def give_back(self) -> None:
        """End one turn."""
        self._free += 1
        self._hand_out()

    async def _take(self, owner: object, begun: bool) -> None:
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.appendleft(mine) if begun else self._waiting.append(mine)
        self._owners[id(owner)] += 1
        self._hand_out()
        try:
            await mine
        except asyncio.CancelledError:
            if mine.done() and not mine.cancelled():
                self.give_back()
            else:
                with contextlib.suppress(ValueError):  # its turn had come, and was passed over
                    self._waiting.remove(mine)
            raise
        finally:
            self._owners -= Counter([id(owner)])  # drops counts of 0

    def _hand_out(self) -> None:
        while self._free and self._waiting:
            next_one = self._waiting.popleft()
            if not next_one.done():
                self._free -= 1
                next_one.set_result(None)


class Turn:
    """The turn of one worker. It ends by itself when the worker does not use a processor, and after `_MAX_TURN`."""

    def __init__(self, queue: StartQueue) -> None:
        self._queue: StartQueue | None = queue
        self._loop = asyncio.get_running_loop()
        self._deadline = self._loop.time() + _MAX_TURN
        self._timer: asyncio.TimerHandle | None = None

    def watch(self, pid: int) -> None:
        """End the turn by what the process ``pid`` does."""
        self._timer = self._loop.call_later(_POLL_INTERVAL, self._check, pid, _ticks(pid))

    def end(self) -> None:
        """Let the next worker start; may be called again."""
        queue, self._queue = self._queue, None
        if self._timer is not None:
            self._timer.cancel()
        if queue is not None:
            queue.give_back()

    def _check(self, pid: int, before: int) -> None:
        now = _ticks(pid)
        if now - before <= _IDLE_TICKS or self._loop.time() > self._deadline:
            self.end()
        else:
            self._timer = self._loop.call_later(_POLL_INTERVAL, self._check, pid, now)


def _ticks(pid: int) -> int:
    """The processor time of a process so far; 0 if it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])
    except (OSError, ValueError, IndexError):
        return 0
