"""How the daemon stops taking work; runs in the host's event loop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Any

from pytriton_plugins.errors import ServerError
from pytriton_plugins.host.readiness import Health
from pytriton_plugins.host.tasks import let_go
from pytriton_plugins.host.triton.queue_depth import waiting_requests
from pytriton_plugins.host.triton.server import TritonServer

_LOG = logging.getLogger("pytriton.host")
FAIL_PATIENCE = 0.3
"""Seconds that tritonserver gets to learn that its requests fail; it takes milliseconds unless it hangs."""

STOP_PATIENCE = 0.6
"""Seconds that tritonserver and the workers get to end by themselves once nothing is in flight any more."""

STUCK_PATIENCE = 0.3
"""The same when something is in flight even after the drain: who has not answered by now will not go by itself."""

_GATE_PATIENCE = 0.3
"""Seconds after which the drain begins although the gate is not closed yet."""

_UNDER_WAY = 0.1
"""Seconds in which what was sent before the drain may still arrive, so that idleness means nothing yet."""

_AFTER_DELAY = 0.3
"""The same after a delay, up to whose end clients are expected to send."""

_SAMPLE = 0.02
"""Seconds between two looks while nothing is in flight."""

_SAMPLE_OF_WORK = 0.1
"""The same while something is. Triton's metrics grow with the models, and the work needs the processors."""

_SAY_AGAIN = 3.0
"""Seconds between two lines about what is waited for."""


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
        if server is None:
            return STOP_PATIENCE
        return await DrainWait(server, timeout).run(_AFTER_DELAY if delay else _UNDER_WAY, hurried)
    finally:
        let_go(closing, hurried)


class DrainWait:
    """Waits until no request is in flight, and says how many are."""

    def __init__(self, server: TritonServer, timeout: float) -> None:
        self._server = server
        self._timeout = timeout
        self._loop = asyncio.get_running_loop()
        self._until = self._loop.time() + timeout
        self._in_flight = 0
        self._says_next = 0.0

    async def run(self, at_least: float, hurried: asyncio.Future[Any]) -> float:
        """Wait so long, and until nothing is in flight; the seconds that the processes should get for their end."""
        idle = asyncio.ensure_future(self._idle(at_least))
        try:
            await asyncio.wait([idle, hurried], timeout=self._timeout, return_when=asyncio.FIRST_COMPLETED)
            if idle.done() and idle.result():
                return STOP_PATIENCE
            over = f"drain-timeout ({self._timeout:g} s) is over"
            self._say_what_fails(
                "a second signal came" if hurried.done() else "tritonserver does not answer" if idle.done() else over
            )
            return STUCK_PATIENCE
        finally:
            let_go(idle)

    async def _idle(self, at_least: float) -> bool:
        """Whether nothing was in flight twice in a row; False when tritonserver ends or does not answer."""
        await asyncio.sleep(at_least)
        idle = 0
        while idle < 2:
            if not self._server.child.running:
                return False
            try:
                self._in_flight = await self._server.held_requests() + await _waiting(self._server)
            except ServerError:
                return False
            idle = idle + 1 if self._in_flight == 0 else 0
            if self._in_flight:
                self._say()
            await asyncio.sleep(_SAMPLE_OF_WORK if self._in_flight else _SAMPLE)
        return True

    def _say(self) -> None:
        """Once, and then every few seconds."""
        now = self._loop.time()
        if now < self._says_next:
            return
        left = max(0.0, self._until - now)
        more = "" if self._says_next else "; a second signal ends the wait"
        _LOG.info("waiting for %s in flight, %.0f s at most%s", _requests(self._in_flight), left, more)
        self._says_next = now + _SAY_AGAIN

    def _say_what_fails(self, why: str) -> None:
        if self._in_flight:
            fail = "fails" if self._in_flight == 1 else "fail"
            _LOG.warning("%s; %s in flight %s", why, _requests(self._in_flight), fail)


def _requests(count: int) -> str:
    return f"{count} request{'' if count == 1 else 's'}"


async def _waiting(server: TritonServer) -> int:
    """The requests that Triton has not handed to our backend yet; 0 where its metrics are switched off."""
    if server.metrics_port is None:
        return 0
    with contextlib.suppress(OSError, ValueError):
        return await waiting_requests(server.host, server.metrics_port)
    return 0
