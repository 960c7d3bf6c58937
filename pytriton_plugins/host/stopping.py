"""How the daemon stops taking work; runs in the host's event loop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from pytriton_plugins.errors import ServerError
from pytriton_plugins.host.health import Health
from pytriton_plugins.host.triton import TritonServer
from pytriton_plugins.host.waiting_requests import waiting_requests

STOP_PATIENCE = 0.6
"""Seconds that tritonserver and the workers get to end by themselves once nothing is in flight any more."""

STUCK_PATIENCE = 0.2
"""The same when something is in flight even after the drain: who has not answered by now will not go by itself."""

_GATE_PATIENCE = 0.3
"""Seconds after which the drain begins although the gate is not closed yet."""

_UNDER_WAY = 0.3
"""Seconds after a delay in which what was sent before its end may still arrive, so that idleness means nothing yet."""

_ANSWER_PATIENCE = 1.0
"""Seconds that tritonserver gets for saying what is in flight; it answers within milliseconds unless it hangs."""

_SAMPLE = 0.02


async def stop_taking_work(
    health: Health, running: Callable[[], TritonServer | None], delay: float, timeout: float, hurry: asyncio.Event
) -> float:
    """Have the gate closed, serve on for ``delay`` seconds, then drain for ``timeout`` at most, or until ``hurry``.

    ``health`` sees by the host's state that the gate is to be closed; ``running`` gives the server that runs then.
    Returns the seconds that the processes should get for ending by themselves.
    """
    closing = asyncio.ensure_future(health.next_reasons())
    hurried = asyncio.ensure_future(hurry.wait())
    try:
        await asyncio.wait([closing, hurried], timeout=_GATE_PATIENCE, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait([hurried], timeout=delay)
        server = running()
        return STOP_PATIENCE if server is None else await _drain(server, _UNDER_WAY if delay else 0, timeout, hurried)
    finally:
        for task in (closing, hurried):
            task.cancel()


async def _drain(server: TritonServer, at_least: float, timeout: float, hurried: asyncio.Future[Any]) -> float:
    idle = asyncio.ensure_future(_idle(server, at_least))
    try:
        await asyncio.wait([idle, hurried], timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        if hurried.done():
            return 0.0
        return STOP_PATIENCE if idle.done() and idle.result() else STUCK_PATIENCE
    finally:
        idle.cancel()


async def _idle(server: TritonServer, at_least: float) -> bool:
    """Wait so long, and until nothing was in flight twice in a row; False when tritonserver ends or hangs."""
    await asyncio.sleep(at_least)
    idle = 0
    while idle < 2:
        if not server.child.running:
            return False
        try:
            held = await server.held_requests(_ANSWER_PATIENCE)
        except ServerError:
            return False
        idle = idle + 1 if held + await _waiting(server) == 0 else 0
        await asyncio.sleep(_SAMPLE)
    return True


async def _waiting(server: TritonServer) -> int:
    """The requests that Triton has not handed to our backend yet; 0 where its metrics are switched off."""
    if server.metrics_port is None:
        return 0
    with contextlib.suppress(OSError, ValueError, asyncio.TimeoutError):
        return await asyncio.wait_for(waiting_requests(server.host, server.metrics_port), _ANSWER_PATIENCE)
    return 0
