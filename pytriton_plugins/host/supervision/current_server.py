"""The tritonserver that runs now, for those that wait for the next one while there is none."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytriton_plugins.host.triton.server import TritonServer


class CurrentServer:
    """Holds one server after the other."""

    def __init__(self) -> None:
        self._future: asyncio.Future[TritonServer] | None = None
        """Of the server that runs, or of the next one."""

    @property
    def running(self) -> TritonServer | None:
        """The server; None until the first one runs, and between one that ended and the next."""
        return self._future.result() if self._future is not None and self._future.done() else None

    async def get(self) -> TritonServer:
        """The server, as soon as one runs."""
        return await asyncio.shield(self._next())

    def set(self, server: TritonServer) -> None:
        """A server runs: every `get` returns it."""
        self._next().set_result(server)

    def clear(self) -> None:
        """The server has ended: wait for the next one."""
        self._future = None

    def _next(self) -> asyncio.Future[TritonServer]:
        if self._future is None:
            self._future = asyncio.get_running_loop().create_future()
        return self._future
