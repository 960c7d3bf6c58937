"""Drains: the daemon is not ready any more, and waits for the requests in flight."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any

from pytriton_plugins.errors import ServerError
from pytriton_plugins.host.tasks import discard
from pytriton_plugins.host.triton.queue_depth import waiting_requests

if TYPE_CHECKING:
    from pytriton_plugins.host.readiness import ReadinessController
    from pytriton_plugins.host.supervision.current_server import CurrentServer
    from pytriton_plugins.host.triton.server import TritonServer

_LOG = logging.getLogger("pytriton.host")
FAIL_TIMEOUT = 0.3
"""Seconds for tritonserver to learn that its requests fail; it takes milliseconds unless it hangs."""

STOP_TIMEOUT = 0.6
"""Seconds for tritonserver and the workers to end by themselves once nothing is in flight any more."""

STUCK_TIMEOUT = 0.3
"""The same when something is in flight even after the drain: a worker that is still busy will not end by itself."""

ORPHAN_DRAIN = 0.2
"""Seconds for requests in flight when the process that started the daemon has ended."""

ORPHAN_SERVER_TIMEOUT = 0.1
"""The same as `STOP_TIMEOUT` for tritonserver then: all that it would do is wait for its clients' connections."""

_GATE_TIMEOUT = 0.3
"""Seconds after which the drain begins even if the gate is not closed yet."""

_MIN_WAIT = 0.1
"""Seconds in which requests that were sent before the drain may still arrive, so that idleness means nothing yet."""

_MIN_WAIT_AFTER_DELAY = 0.3
"""The same after a delay, up to whose end clients are expected to send."""

_POLL_INTERVAL = 0.02
"""Seconds between two looks while nothing is in flight."""

_BUSY_POLL_INTERVAL = 0.1
"""The same while something is. Triton's metrics grow with the models, and the work needs the processors."""

_LOG_INTERVAL = 3.0
"""Seconds between two lines about the requests in flight."""


class Hurry(asyncio.Event):
    """Set when a stop must not wait any longer; ``reason`` says why."""

    reason = ""
    is_near = False
    """It will be set in a moment."""

    def begin(self, reason: str) -> None:
        """Set it; the first reason counts."""
        self.reason = self.reason or reason
        self.set()

    def server_timeout(self, timeout: float) -> float:
        """The seconds that tritonserver gets for ending by itself, of ``timeout`` at most."""
        return ORPHAN_SERVER_TIMEOUT if self.is_near else timeout

    def begin_soon(self, reason: str) -> None:
        """Stop for ``reason`` without a delay, and with a drain of `ORPHAN_DRAIN` seconds at most."""
        _LOG.warning("%s", reason)
        self.is_near = True
        asyncio.get_running_loop().call_later(ORPHAN_DRAIN, self.begin, reason)


async def drain(
    readiness: ReadinessController, current: CurrentServer, delay: float, timeout: float, hurry: Hurry
) -> float:
    """Have the gate closed, serve on for ``delay`` seconds, then drain for ``timeout`` at most, or until ``hurry``.

    ``readiness`` closes the gate because of the host's state. Returns the seconds that the processes should get for
    ending by themselves.
    """
    closing = asyncio.ensure_future(readiness.next_reasons())
    hurried = asyncio.ensure_future(hurry.wait())
    try:
        await asyncio.wait([closing, hurried], timeout=_GATE_TIMEOUT, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait([hurried], timeout=delay)
        server = current.running
        if server is None:
            return STOP_TIMEOUT
        return await DrainWait(server, timeout, hurry).run(_MIN_WAIT_AFTER_DELAY if delay else _MIN_WAIT, hurried)
    finally:
        discard(closing, hurried)


class DrainWait:
    """Waits until no request is in flight and no sequence is live, and logs how many are."""

    def __init__(self, server: TritonServer, timeout: float, hurry: Hurry) -> None:
        self._server = server
        self._hurry = hurry
        self._timeout = timeout
        self._loop = asyncio.get_running_loop()
        self._until = self._loop.time() + timeout
        self._in_flight = 0
        self._live = 0
        self._next_log = 0.0

    async def run(self, at_least: float, hurried: asyncio.Future[Any]) -> float:
        """Wait ``at_least`` seconds, and until nothing is in flight; the seconds for the processes to end."""
        idle = asyncio.ensure_future(self._idle(at_least))
        try:
            await asyncio.wait([idle, hurried], timeout=self._timeout, return_when=asyncio.FIRST_COMPLETED)
            if idle.done() and idle.result():
                return STOP_TIMEOUT
            elapsed = f"drain-timeout ({self._timeout:g} s) expired"
            self._log_failures(
                self._hurry.reason if hurried.done() else "tritonserver does not answer" if idle.done() else elapsed
            )
            return STUCK_TIMEOUT
        finally:
            discard(idle)

    async def _idle(self, at_least: float) -> bool:
        """Whether nothing was in flight twice in a row; False when tritonserver ends or does not answer."""
        await asyncio.sleep(at_least)
        idle = 0
        while idle < 2:
            if not self._server.child.running:
                return False
            try:
                self._in_flight = await self._server.held_requests() + await _waiting(self._server)
                self._live = await self._server.live_sequences()
            except ServerError:
                return False
            is_busy = self._in_flight + self._live > 0
            idle = 0 if is_busy else idle + 1
            if is_busy:
                self._log()
            await asyncio.sleep(_BUSY_POLL_INTERVAL if is_busy else _POLL_INTERVAL)
        return True

    def _log(self) -> None:
        """Once, and then every few seconds."""
        now = self._loop.time()
        if now < self._next_log:
            return
        left = max(0.0, self._until - now)
        more = "" if self._next_log else "; a second signal ends the wait"
        _LOG.info("waiting for %s in flight, %.0f s at most%s", self._waits_for(), left, more)
        self._next_log = now + _LOG_INTERVAL

    def _waits_for(self) -> str:
        counts = ((self._in_flight, "request"), (self._live, "live sequence"))
        return " and ".join(_counted(count, thing) for count, thing in counts if count)

    def _log_failures(self, why: str) -> None:
        count = self._in_flight + self._live
        if count:
            _LOG.warning("%s; %s in flight %s", why, self._waits_for(), "fails" if count == 1 else "fail")


def _counted(count: int, thing: str) -> str:
    return f"{count} {thing}{'' if count == 1 else 's'}"


async def _waiting(server: TritonServer) -> int:
    """The requests that Triton has not handed to our backend yet; 0 where its metrics are switched off."""
    if server.metrics_port is None:
        return 0
    with contextlib.suppress(OSError, ValueError):
        return await waiting_requests(server.host, server.metrics_port)
    return 0
