"""Keeps Triton's own readiness equal to the host's verdict, by the gate; runs in the host's event loop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable

from pytriton_plugins.errors import ServerError
from pytriton_plugins.hooks.manager import HookManager
from pytriton_plugins.host.triton import TritonServer
from pytriton_plugins.values import HostStatus, Verdict

_LOG = logging.getLogger("pytriton.health")
PERIOD = 0.25
"""Seconds between two looks when nothing changes."""

Verdicts = list[tuple[str, Verdict]]
"""What each plugin that was asked said."""

STARTING = ["starting"]
"""The host's own reason before every plugin serves or has failed: nothing to log."""

CHECK_TIMEOUT = 0.5
"""Seconds after which a hook that has not answered counts as one that says no."""


class Health:
    """Asks the hooks and the host's own state, and opens or closes the gate when the verdict changes."""

    def __init__(
        self, server: TritonServer, hooks: HookManager, status: Callable[[], HostStatus], own: Callable[[], list[str]]
    ) -> None:
        """``own``: the host's reasons for not being ready, none if it is."""
        self._server = server
        self._hooks = hooks
        self._status = status
        self._own = own
        self._changed = asyncio.Event()
        self._asked: asyncio.Future[Verdicts] | None = None
        self._looks: list[asyncio.Future[list[str]]] = []
        self.ready = False

    def changed(self) -> None:
        """Look now instead of at the end of the period."""
        self._changed.set()

    async def run(self) -> None:
        """Keep the gate as it must be until cancelled."""
        before = STARTING
        while True:
            self._changed.clear()
            looks, self._looks = self._looks, []
            reasons = self._own() or await self._objections()
            if reasons != before:
                if reasons != STARTING:
                    _LOG.warning("not ready: %s", "; ".join(reasons)) if reasons else _LOG.info("ready")
                before = reasons
            await self._set(not reasons)
            self._tell(looks, reasons)
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._changed.wait(), PERIOD)

    async def next_reasons(self) -> list[str]:
        """Why the host is not ready, none if it is, by a look that begins after this call."""
        look: asyncio.Future[list[str]] = asyncio.get_running_loop().create_future()
        self._looks.append(look)
        self.changed()
        return await look

    def _tell(self, looks: list[asyncio.Future[list[str]]], reasons: list[str]) -> None:
        for look in looks:
            if not look.done():
                look.set_result(reasons)

    async def close_gate(self) -> None:
        """Not ready from now on; the caller has ended `run`, perhaps while it was opening the gate."""
        self.ready = True
        await self._set(False)

    async def _set(self, ready: bool) -> None:
        if ready == self.ready:
            return
        # Shielded: an opening that was begun must come to its end before a closing, or the gate's model stays loaded.
        change = asyncio.ensure_future(self._server.set_gate(ready))
        try:
            await asyncio.shield(change)
        except ServerError as error:
            _LOG.error("readiness cannot be changed: %s", error)
            return
        self.ready = ready

    async def _objections(self) -> list[str]:
        """Why plugins hold readiness back. A check that hangs is asked again only once it has returned."""
        if self._asked is None:
            self._asked = self._ask(self._status())
        done, _ = await asyncio.wait([self._asked], timeout=CHECK_TIMEOUT)
        if not done:
            return [f"a plugin's readiness check takes longer than {CHECK_TIMEOUT} s"]
        verdicts, self._asked = self._asked.result(), None
        return [f"{plugin}: {verdict.reason or 'no reason given'}" for plugin, verdict in verdicts if not verdict.ok]

    def _ask(self, status: HostStatus) -> asyncio.Future[Verdicts]:
        """Have a thread ask the hooks. A daemon thread: one that hangs must not hold up the end of the process."""
        loop = asyncio.get_running_loop()
        asked: asyncio.Future[Verdicts] = loop.create_future()

        def settle(verdicts: Verdicts | None, error: BaseException | None) -> None:
            if asked.done():
                return
            if error is not None:
                asked.set_exception(error)
            else:
                asked.set_result(verdicts or [])

        def ask() -> None:
            verdicts, failed = None, None
            try:
                verdicts = self._hooks.check_readiness(status)
            except BaseException as error:
                failed = error
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(settle, verdicts, failed)

        threading.Thread(target=ask, name="pytriton-health", daemon=True).start()
        return asked
