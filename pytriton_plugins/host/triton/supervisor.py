"""Keeps a tritonserver running: another one replaces each that ends, until they end too often."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import Protocol

from pytriton_plugins.errors import ServerError
from pytriton_plugins.hooks.backoff import Backoff
from pytriton_plugins.host.system.child import describe_exit
from pytriton_plugins.host.triton.server import TritonServer

_LOG = logging.getLogger("pytriton.host")
RESTARTS = Backoff(first=0.1, longest=1.0, window=60.0, max_ends=5)
"""Seconds before each restart; no server is started after the sixth end within a minute."""


class ServerOwner(Protocol):
    """Starts servers, and learns of their ends."""

    async def start_server(self) -> TritonServer: ...

    async def server_ended(self) -> None:
        """A server has ended; the next one starts after this returns."""


class ServerSupervisor:
    """Starts servers for as long as they do not end too often."""

    def __init__(self, owner: ServerOwner) -> None:
        self._owner = owner
        self._ends: deque[float] = deque(maxlen=RESTARTS.max_ends + 1)
        self.restarts = 0

    async def keep(self, server: TritonServer) -> None:
        """Return when servers have ended too often; the log says how."""
        while True:
            status = await server.child.wait()
            await self._owner.server_ended()
            reason = f"tritonserver ended with {describe_exit(status)}; {server.last_words()}"
            successor = await self._successor(reason)
            if successor is None:
                return
            server = successor

    async def _successor(self, reason: str) -> TritonServer | None:
        """The next server, after the last one ended for ``reason``; None when there were too many ends."""
        while (pause := self._pause()) is not None:
            _LOG.error("%s; starting another", reason)
            await asyncio.sleep(pause)
            self.restarts += 1
            start = asyncio.get_running_loop().time()
            try:
                server = await self._owner.start_server()
            except (ServerError, OSError) as error:
                reason = f"tritonserver cannot be started again: {error}"
                continue
            seconds = asyncio.get_running_loop().time() - start
            _LOG.info("tritonserver runs again after %.1f s; the models are loaded into it", seconds)
            return server
        _LOG.error("%s; it ended %d times within %g s: giving up", reason, len(self._ends), RESTARTS.window)
        return None

    def _pause(self) -> float | None:
        """Seconds until the next start; None when there were too many ends."""
        now = asyncio.get_running_loop().time()
        self._ends.append(now)
        return RESTARTS.pause(RESTARTS.recent(self._ends, now))
