"""Whose turn it is to start: as many workers at a time as the processors can serve; runs in an event loop."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter, deque
from collections.abc import AsyncIterator
from pathlib import Path

from pytriton_plugins.host.system.processors import usable_processors

PER_PROCESSOR = 2
"""While one worker reads files, another computes."""

_LOOK_AGAIN = 1.0
"""Seconds between two looks at what a worker does in its turn."""

_IDLE_TICKS = 1
"""Processor time, in ticks of the kernel, that who waits for something else has used at most between two looks."""

_LONGEST = 10.0
"""Seconds of a turn. A plugin that computes without end must not keep the others waiting until its limit."""


def turns_of(parallelism: int | None) -> Turns:
    """A queue with so many starts at a time, None for some for each processor that may be used."""
    return Turns(parallelism or PER_PROCESSOR * usable_processors())


class Turns:
    """``count`` at a time. Who has begun goes before who has not: what is imported can soon serve, and holds memory."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._owners: Counter[int] = Counter()
        """How many of those each object waits for: hundreds are asked about several times a second."""

    @contextlib.asynccontextmanager
    async def turn(self, owner: object, *, begun: bool = False) -> AsyncIterator[Turn]:
        """Wait for a turn on behalf of ``owner``. It ends with the block, or before, see `Turn`."""
        await self._take(owner, begun)
        turn = Turn(self)
        try:
            yield turn
        finally:
            turn.end()

    def awaits(self, owner: object) -> bool:
        """Whether the owner waits for a turn."""
        return id(owner) in self._owners

    def give_back(self) -> None:
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
                with contextlib.suppress(ValueError):  # its turn came just then, and was left out
                    self._waiting.remove(mine)
            raise
        finally:
            self._owners -= Counter([id(owner)])  # drops what has come to nothing

    def _hand_out(self) -> None:
        while self._free and self._waiting:
            next_one = self._waiting.popleft()
            if not next_one.done():
                self._free -= 1
                next_one.set_result(None)


class Turn:
    """Ends by itself when its worker waits for something else than a processor, and after a while in any case."""

    def __init__(self, turns: Turns) -> None:
        self._turns: Turns | None = turns
        self._loop = asyncio.get_running_loop()
        self._until = self._loop.time() + _LONGEST
        self._look: asyncio.TimerHandle | None = None

    def watch(self, pid: int) -> None:
        """It is this process's turn."""
        self._look = self._loop.call_later(_LOOK_AGAIN, self._look_at, pid, _ticks(pid))

    def end(self) -> None:
        """Let the next one begin; may be called again."""
        turns, self._turns = self._turns, None
        if self._look is not None:
            self._look.cancel()
        if turns is not None:
            turns.give_back()

    def _look_at(self, pid: int, before: int) -> None:
        now = _ticks(pid)
        if now - before <= _IDLE_TICKS or self._loop.time() > self._until:
            self.end()
        else:
            self._look = self._loop.call_later(_LOOK_AGAIN, self._look_at, pid, now)


def _ticks(pid: int) -> int:
    """Processor time of a process until now; 0 for one that is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])
    except (OSError, ValueError, IndexError):
        return 0
