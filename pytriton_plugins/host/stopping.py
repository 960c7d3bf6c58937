"""How the daemon stops taking work; runs in the host's event loop."""

from __future__ import annotations

import asyncio

from pytriton_plugins.errors import ServerError
from pytriton_plugins.host.triton import TritonServer

STOP_PATIENCE = 0.6
"""Seconds that tritonserver and the workers get to end by themselves once nothing is in flight any more."""

STUCK_PATIENCE = 0.2
"""The same when something is in flight even after the drain: who has not answered by now will not go by itself."""

_SAMPLE = 0.02


async def drain(server: TritonServer, timeout: float, hurry: asyncio.Event) -> float:
    """Wait until no request was in flight twice in a row, at most ``timeout`` seconds, or until ``hurry``.

    Returns the seconds that the processes should get for ending by themselves.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout
    idle = 0
    while idle < 2 and loop.time() < deadline and not hurry.is_set() and server.child.running:
        try:
            idle = idle + 1 if await server.held_requests() == 0 else 0
        except ServerError:
            break
        await asyncio.sleep(_SAMPLE)
    if hurry.is_set():
        return 0.0
    return STOP_PATIENCE if idle == 2 else STUCK_PATIENCE
