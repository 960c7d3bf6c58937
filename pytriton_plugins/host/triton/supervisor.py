"""Keeps a tritonserver running: another comes in the place of one that has ended; runs in the host's event loop."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable

from pytriton_plugins.errors import ServerError
from pytriton_plugins.host.system.child import describe_exit
from pytriton_plugins.host.triton.server import TritonServer

_LOG = logging.getLogger("pytriton.host")
WINDOW = 60.0
"""Seconds for which an end counts."""

MOST_ENDS = 5
"""In that time; one more, and no other server is started."""

_FIRST_PAUSE = 0.1
"""Seconds before the second start in that time; twice as long before each further one."""


class Keeper:
    """Starts servers for as long as they do not end too often."""

    def __init__(self, start: Callable[[], Awaitable[TritonServer]], ended: Callable[[], Awaitable[None]]) -> None:
        """``ended`` is called as soon as a server has ended, before another is started."""
        self._start = start
        self._on_end = ended
        self._ends: deque[float] = deque(maxlen=MOST_ENDS + 1)
        self.restarts = 0

    async def keep(self, server: TritonServer) -> None:
        """Return when servers have ended too often; the log says how."""
        while True:
            status = await server.child.wait()
            await self._on_end()
            said = f"tritonserver ended with {describe_exit(status)}; {server.said()}"
            another = await self._another(said)
            if another is None:
                return
            server = another

    async def _another(self, said: str) -> TritonServer | None:
        """The next server, after what is ``said`` of the end of the last one; None when there were too many ends."""
        while (pause := self._pause()) is not None:
            _LOG.error("%s; starting another", said)
            await asyncio.sleep(pause)
            self.restarts += 1
            began = asyncio.get_running_loop().time()
            try:
                server = await self._start()
            except (ServerError, OSError) as error:
                said = f"tritonserver cannot be started again: {error}"
                continue
            took = asyncio.get_running_loop().time() - began
            _LOG.info("tritonserver runs again after %.1f s; the models are loaded into it", took)
            return server
        _LOG.error("%s; it ended %d times within %g s: giving up", said, len(self._ends), WINDOW)
        return None

    def _pause(self) -> float | None:
        """Seconds until the next start; None when there were too many ends."""
        now = asyncio.get_running_loop().time()
        self._ends.append(now)
        recent = sum(now - end < WINDOW for end in self._ends)
        if recent > MOST_ENDS:
            return None
        return 0.0 if recent == 1 else _FIRST_PAUSE * 2.0 ** (recent - 2)
