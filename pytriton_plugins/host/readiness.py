"""Keeps Triton's own readiness equal to the host's verdict, by the gate; runs in the host's event loop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Sequence
from typing import Protocol

import attrs

from pytriton_plugins.errors import ServerError, ServerGone
from pytriton_plugins.hooks.calling import Timing, measure
from pytriton_plugins.hooks.manager import BUILT_IN, HookManager
from pytriton_plugins.host.tasks import let_go, take_in
from pytriton_plugins.host.timeouts import within
from pytriton_plugins.host.triton.server import TritonServer
from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.text import first_few
from pytriton_plugins.values import HostStatus, ModelStatus, NamedVerdict, Verdict

_LOG = logging.getLogger("pytriton.health")
PERIOD = 0.25
"""Seconds between two looks when nothing changes."""

CHECK_TIMEOUT = 0.5
"""Seconds after which a hook that has not answered counts as one that says no."""

_MOST_REASONS = 10
"""In one message, for hundreds of models may fail at once; `status` has every one."""


class Subject(Protocol):
    """Whose health it is: what the host knows of itself, and what it does about a change."""

    hooks: HookManager

    def status(self) -> HostStatus: ...
    def verdicts(self) -> list[NamedVerdict]:
        """The host's own verdicts, failed ones and others."""

    def required_models(self) -> list[tuple[ModelDeclaration, ModelStatus]]: ...
    def became_ready(self) -> None: ...
    def is_dead(self, reason: str) -> None: ...


@attrs.frozen
class Look:
    """One look at everything: why the host is not ready (nothing if it is) and why it counts as dead."""

    reasons: list[str]
    dead: str = ""


class Health:
    """Asks the hooks and the host's own state, and opens or closes the gate when the verdict changes."""

    def __init__(self, subject: Subject) -> None:
        self._server: TritonServer | None = None
        self._subject = subject
        self._changed = asyncio.Event()
        self._asked: asyncio.Future[Look] | None = None
        self._timing = Timing()
        """Of what is asked."""
        self._told_slow: tuple[str, str] | None = None
        """The plugin and hook of which the log says already that it was slow."""
        self._is_late = False
        """The answer to what is asked was not there in time."""
        self._last = Look([])
        self._looks: list[asyncio.Future[list[str]]] = []
        self._refused = ""
        """Why the gate could not be set at the last try."""
        self.ready = False
        self.last = Look(["starting"])

    def attach(self, server: TritonServer | None) -> None:
        """It is this server's gate from now on, which is closed; None while there is no server."""
        self._server = server
        self.ready = False
        self.changed()

    def changed(self) -> None:
        """Look now instead of at the end of the period."""
        self._changed.set()

    async def run(self) -> None:
        """Keep the gate as it must be until cancelled."""
        try:
            await self._run()
        finally:
            let_go(self._asked)

    async def _run(self) -> None:
        before: list[str] | None = None
        while True:
            self._changed.clear()
            looks, self._looks = self._looks, []
            status = self._subject.status()
            if status.state != "serving":
                look = Look([status.state], self.last.dead)  # who is stopped for being dead stays so
            elif self._server is None:
                look = Look(["tritonserver: it has ended, and another is being started"])
            else:
                look = await self._look(status)
            self.last = look
            if look.reasons != before and status.state == "serving":
                self._log(look.reasons)
                before = look.reasons
            await self._set(not look.reasons)
            self._tell(looks, look.reasons)
            if look.dead:
                self._subject.is_dead(look.dead)
            with contextlib.suppress(TimeoutError):
                await within(self._changed.wait(), PERIOD)

    async def next_reasons(self) -> list[str]:
        """Why the host is not ready, none if it is, by a look that begins after this call."""
        look: asyncio.Future[list[str]] = asyncio.get_running_loop().create_future()
        self._looks.append(look)
        self.changed()
        return await look

    def _log(self, reasons: list[str]) -> None:
        if reasons:
            _LOG.warning("not ready: %s", first_few(reasons, _MOST_REASONS, "; "))
        else:
            _LOG.info("ready")

    def _tell(self, looks: list[asyncio.Future[list[str]]], reasons: list[str]) -> None:
        for look in looks:
            if not look.done():
                look.set_result(reasons)

    async def _set(self, ready: bool) -> None:
        server = self._server
        if ready == self.ready or server is None:
            return
        # Shielded: an opening that was begun must come to its end before a closing, or the gate's model stays loaded.
        change = asyncio.ensure_future(server.set_gate(ready))
        change.add_done_callback(take_in)  # nobody may wait for it any more when it fails
        try:
            await asyncio.shield(change)
        except ServerGone:
            return  # its end is dealt with
        except ServerError as error:
            if str(error) != self._refused:
                _LOG.error("readiness cannot be changed: %s", error)
            self._refused = str(error)
            return
        self._refused = ""
        if server is not self._server:
            return
        self.ready = ready
        if ready:
            self._subject.became_ready()

    async def _look(self, status: HostStatus) -> Look:
        """Everybody's verdict. A check that hangs is asked again only once it has returned."""
        own = self._subject.verdicts()
        if self._asked is None:
            try:
                self._asked = self._ask(status, own)
            except RuntimeError:  # no thread can be had for it: what the hooks said last holds
                return Look(_failed(own) or self._last.reasons)
        done, _ = await asyncio.wait([self._asked], timeout=CHECK_TIMEOUT)
        if not done:
            self._is_late = True
            return Look([*_failed(own), self._late()])
        look, self._asked = self._asked.result(), None
        if self._is_late:  # it was asked of another state
            self._is_late = False
            self._tell_slow()
            return await self._look(status)
        self._last = look
        return look

    def _late(self) -> str:
        """Why there is no answer in time. It stays the same for as long as that lasts: the log has it once."""
        plugin, hook, _ = self._timing.slowest()
        whose = f"hook plugin {plugin}: {hook}" if plugin else "no hook plugin was asked yet"
        return f"health checks take longer than {CHECK_TIMEOUT} s; the slowest: {whose}"

    def _tell_slow(self) -> None:
        plugin, hook, seconds = self._timing.slowest()
        if plugin and (plugin, hook) != self._told_slow:
            said = "hook plugin %s: %s took %.1f s; the health checks of all hook plugins together get %g s"
            _LOG.warning(said, plugin, hook, seconds, CHECK_TIMEOUT)
            self._told_slow = (plugin, hook)

    def _ask(self, status: HostStatus, own: list[NamedVerdict]) -> asyncio.Future[Look]:
        """Have a thread ask the hooks. A daemon thread: one that hangs must not hold up the end of the process."""
        loop = asyncio.get_running_loop()
        asked: asyncio.Future[Look] = loop.create_future()
        models = self._subject.required_models()
        timing = self._timing = Timing()

        def settle(look: Look | None, error: BaseException | None) -> None:
            if asked.done():
                return
            if error is not None:
                asked.set_exception(error)
            else:
                asked.set_result(look or Look([]))

        def ask() -> None:
            look, failed = None, None
            measure(timing)
            try:
                look = _ask_all(self._subject.hooks, status, own, models)
            except BaseException as error:
                failed = error
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(settle, look, failed)

        threading.Thread(target=ask, name="pytriton-health", daemon=True).start()
        return asked


def _ask_all(
    hooks: HookManager,
    status: HostStatus,
    own: Sequence[NamedVerdict],
    models: Sequence[tuple[ModelDeclaration, ModelStatus]],
) -> Look:
    """Runs in the health thread."""
    dead = [
        f"{plugin}: {said.reason or 'no reason given'}" for plugin, said in hooks.check_liveness(status) if not said.ok
    ]
    asked = hooks.check_readiness(status)
    for model, model_status in models:
        for plugin, verdict in hooks.check_model_readiness(model, model_status):
            asked.append((plugin, Verdict(verdict.ok, f"model {model.name}: {verdict.reason or 'no reason given'}")))
    verdicts = [*own, *(NamedVerdict(plugin, verdict) for plugin, verdict in asked)]
    chosen = hooks.choose_readiness(status, verdicts)
    if chosen.value.ok:
        reasons = []
    elif chosen.plugin == BUILT_IN:
        reasons = _failed(verdicts)
    else:
        reasons = [f"{chosen.plugin}: {chosen.value.reason or 'no reason given'}"]
    return Look(reasons, "; ".join(dead))


def _failed(verdicts: Sequence[NamedVerdict]) -> list[str]:
    return [f"{each.source}: {each.verdict.reason or 'no reason given'}" for each in verdicts if not each.verdict.ok]
