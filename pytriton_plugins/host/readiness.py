"""Keeps Triton's own readiness equal to the host's verdict, by the gate."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import attrs

from pytriton_plugins.errors import ServerError, ServerGone
from pytriton_plugins.hooks.calling import Timing, measure
from pytriton_plugins.hooks.manager import BUILT_IN
from pytriton_plugins.host.tasks import consume, discard
from pytriton_plugins.host.timeouts import within
from pytriton_plugins.text import first_few
from pytriton_plugins.values import HostStatus, ModelStatus, NamedVerdict, Verdict

if TYPE_CHECKING:
    from pytriton_plugins.hooks.manager import HookManager
    from pytriton_plugins.host.triton.server import TritonServer
    from pytriton_plugins.model.declaration import ModelDeclaration

_LOG = logging.getLogger("pytriton.health")
POLL_INTERVAL = 0.25
"""Seconds between two checks when nothing changes."""

CHECK_TIMEOUT = 0.5
"""Seconds after which a hook without an answer counts as not ready."""

_MAX_REASONS = 10
"""In one message: hundreds of models may fail at once, and `status` has every one."""


class ReadinessSource(Protocol):
    """The daemon as readiness sees it: its state, its verdicts, and its reactions to a change."""

    hooks: HookManager

    def status(self) -> HostStatus: ...
    def verdicts(self) -> list[NamedVerdict]:
        """The host's own verdicts, failed ones and others."""

    def required_models(self) -> list[tuple[ModelDeclaration, ModelStatus]]: ...
    def became_ready(self) -> None: ...
    def is_dead(self, reason: str) -> None: ...


@attrs.frozen
class HealthSnapshot:
    """The result of all checks: why the host is not ready (nothing if it is) and why it counts as dead."""

    reasons: list[str]
    dead: str = ""


class ReadinessController:
    """Asks the hooks and the daemon, and opens or closes the gate when the verdict changes."""

    def __init__(self, source: ReadinessSource) -> None:
        self._server: TritonServer | None = None
        self._source = source
        self._changed = asyncio.Event()
        self._asked: asyncio.Future[HealthSnapshot] | None = None
        self._timing = Timing()
        """Of what is asked."""
        self._slow_logged: tuple[str, str] | None = None
        """The plugin and hook that the log has already named as slow."""
        self._is_late = False
        """The answer to what is asked was not there in time."""
        self._last = HealthSnapshot([])
        self._waiting: list[asyncio.Future[list[str]]] = []
        self._refused = ""
        """Why the gate could not be set at the last try."""
        self.ready = False
        self.last = HealthSnapshot(["starting"])

    def attach(self, server: TritonServer | None) -> None:
        """It is this server's gate from now on, which is closed; None while there is no server."""
        self._server = server
        self.ready = False
        self.changed()

    def changed(self) -> None:
        """Check now instead of at the end of the interval."""
        self._changed.set()

    async def run(self) -> None:
        """Keep the gate as it must be until cancelled."""
        try:
            await self._run()
        finally:
            discard(self._asked)

    async def _run(self) -> None:
        before: list[str] | None = None
        while True:
            self._changed.clear()
            waiting, self._waiting = self._waiting, []
            status = self._source.status()
            if status.state != "serving":
                snapshot = HealthSnapshot([status.state], self.last.dead)  # a host that is stopped as dead stays so
            elif self._server is None:
                snapshot = HealthSnapshot(["tritonserver: it has ended, and another is being started"])
            else:
                snapshot = await self._snapshot(status)
            self.last = snapshot
            if snapshot.reasons != before and status.state == "serving":
                self._log(snapshot.reasons)
                before = snapshot.reasons
            await self._set(not snapshot.reasons)
            _answer(waiting, snapshot.reasons)
            if snapshot.dead:
                self._source.is_dead(snapshot.dead)
            with contextlib.suppress(TimeoutError):
                await within(self._changed.wait(), POLL_INTERVAL)

    async def next_reasons(self) -> list[str]:
        """Why the host is not ready, none if it is, by a snapshot that begins after this call."""
        reasons: asyncio.Future[list[str]] = asyncio.get_running_loop().create_future()
        self._waiting.append(reasons)
        self.changed()
        return await reasons

    def _log(self, reasons: list[str]) -> None:
        if reasons:
            _LOG.warning("not ready: %s", first_few(reasons, _MAX_REASONS, "; "))
        else:
            _LOG.info("ready")

    async def _set(self, ready: bool) -> None:
        server = self._server
        if ready == self.ready or server is None:
            return
        # Shielded: an opening that was begun must come to its end before a closing, or the gate's model stays loaded.
        change = asyncio.ensure_future(server.set_gate(ready))
        change.add_done_callback(consume)  # it may fail when the wait for it is over
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
            self._source.became_ready()

    async def _snapshot(self, status: HostStatus) -> HealthSnapshot:
        """All verdicts. A check that hangs is asked again only once it has returned."""
        own = self._source.verdicts()
        if self._asked is None:
            try:
                self._asked = self._ask(status, own)
            except RuntimeError:  # no thread can be started for it: the last answer of the hooks holds
                return HealthSnapshot(_failed(own) or self._last.reasons)
        done, _ = await asyncio.wait([self._asked], timeout=CHECK_TIMEOUT)
        if not done:
            self._is_late = True
            return HealthSnapshot([*_failed(own), self._late()])
        snapshot, self._asked = self._asked.result(), None
        if self._is_late:  # it was asked of another state
            self._is_late = False
            self._log_slow()
            return await self._snapshot(status)
        self._last = snapshot
        return snapshot

    def _late(self) -> str:
        """Why there is no answer in time. It stays the same for as long as that lasts: the log has it once."""
        plugin, hook, _ = self._timing.slowest()
        slowest = f"hook plugin {plugin}: {hook}" if plugin else "no hook plugin was asked yet"
        return f"health checks take longer than {CHECK_TIMEOUT} s; the slowest: {slowest}"

    def _log_slow(self) -> None:
        plugin, hook, seconds = self._timing.slowest()
        if plugin and (plugin, hook) != self._slow_logged:
            message = "hook plugin %s: %s took %.1f s; the health checks of all hook plugins together get %g s"
            _LOG.warning(message, plugin, hook, seconds, CHECK_TIMEOUT)
            self._slow_logged = (plugin, hook)

    def _ask(self, status: HostStatus, own: list[NamedVerdict]) -> asyncio.Future[HealthSnapshot]:
        """Have a thread ask the hooks. A daemon thread: one that hangs must not hold up the end of the process."""
        loop = asyncio.get_running_loop()
        asked: asyncio.Future[HealthSnapshot] = loop.create_future()
        models = self._source.required_models()
        timing = self._timing = Timing()

        def settle(snapshot: HealthSnapshot | None, error: BaseException | None) -> None:
            if asked.done():
                return
            if error is not None:
                asked.set_exception(error)
            else:
                asked.set_result(snapshot or HealthSnapshot([]))

        def ask() -> None:
            snapshot, failed = None, None
            measure(timing)
            try:
                snapshot = _ask_all(self._source.hooks, status, own, models)
            except BaseException as error:
                failed = error
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(settle, snapshot, failed)

        threading.Thread(target=ask, name="pytriton-health", daemon=True).start()
        return asked


def _answer(waiting: Sequence[asyncio.Future[list[str]]], reasons: list[str]) -> None:
    for each in waiting:
        if not each.done():
            each.set_result(reasons)


def _ask_all(
    hooks: HookManager,
    status: HostStatus,
    own: Sequence[NamedVerdict],
    models: Sequence[tuple[ModelDeclaration, ModelStatus]],
) -> HealthSnapshot:
    """Runs in the health thread."""
    dead = [
        f"{plugin}: {verdict.reason or 'no reason given'}"
        for plugin, verdict in hooks.check_liveness(status)
        if not verdict.ok
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
    return HealthSnapshot(reasons, "; ".join(dead))


def _failed(verdicts: Sequence[NamedVerdict]) -> list[str]:
    return [f"{each.source}: {each.verdict.reason or 'no reason given'}" for each in verdicts if not each.verdict.ok]
