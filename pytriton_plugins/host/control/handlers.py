"""The commands of the control socket, and the checks behind `pytriton-host health`."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from typing import TYPE_CHECKING, Any

from pytriton_plugins.errors import ControlError
from pytriton_plugins.host.control.status import StatusReader, models_of, summary
from pytriton_plugins.host.startup_report import awaited
from pytriton_plugins.text import one_line

if TYPE_CHECKING:
    from pytriton_plugins.host.control.server import Command, Progress, Request
    from pytriton_plugins.host.control.target_commands import TargetCommands
    from pytriton_plugins.host.control.view import DaemonView

UNLOAD_TIMEOUT = 10.0
"""Seconds for unloading a model that nothing runs on any more."""

MAX_TIMEOUT = 86400.0
"""Seconds that a command may take at most."""


class Handlers:
    """The ``commands`` of the control socket, by name."""

    def __init__(self, daemon: DaemonView, models: TargetCommands) -> None:
        self._daemon = daemon
        self._status_reader = StatusReader(daemon)
        self._models = models
        self._running: set[asyncio.Task[list[str]]] = set()
        self.commands: dict[str, Command] = {
            "health": self._health,
            "status": self._status,
            "summary": self._summary,
            "unload": self._unload,
            "load": self._load,
            "reload": self._reload,
        }

    async def _health(self, request: Request, progress: Progress) -> Mapping[str, Any]:
        checks = {"live": not_live, "ready": not_ready, "startup": not_started}
        check = checks.get(str(request.get("check")))
        if check is None:
            name = one_line(repr(request.get("check")), 80)
            raise ControlError(f"unknown check {name}: expected live, ready or startup")
        reasons = check(self._daemon)
        return {"ok": not reasons, "reasons": [one_line(reason) for reason in reasons]}

    async def _status(self, request: Request, progress: Progress) -> Mapping[str, Any]:
        return await self._status_reader.read(not_ready(self._daemon))

    async def _summary(self, request: Request, progress: Progress) -> Mapping[str, Any]:
        return summary(self._daemon)

    async def _unload(self, request: Request, progress: Progress) -> Mapping[str, Any]:
        name, version, timeout = self._arguments(request)
        # The timeout is for the requests that run; the rest needs a little more.
        return await self._finish(self._models.unload(name, version, timeout, progress), timeout + UNLOAD_TIMEOUT)

    async def _load(self, request: Request, progress: Progress) -> Mapping[str, Any]:
        if "target" in request:
            target, _, timeout = self._arguments({**request, "model": request["target"]})
            done = await self._finish(self._models.load_target(target, progress), timeout)
            return {**done, "models": models_of(self._daemon, target)}
        name, version, timeout = self._arguments(request)
        return await self._finish(self._models.load(name, version, progress), timeout)

    async def _reload(self, request: Request, progress: Progress) -> Mapping[str, Any]:
        name, version, timeout = self._arguments(request)
        return await self._finish(self._models.reload(name, version, progress), timeout)

    def _arguments(self, request: Request) -> tuple[str, int | None, float]:
        name, version, timeout = (request.get(key) for key in ("model", "version", "timeout"))
        if not isinstance(name, str) or not isinstance(timeout, (int, float)) or not 0 < timeout <= MAX_TIMEOUT:
            raise ControlError(f"expected the name of a model and a timeout of 0 to {MAX_TIMEOUT:g} s")
        if version is not None and type(version) is not int:
            raise ControlError("version: expected a whole number")
        state = self._daemon.status().state
        if state != "serving":
            raise ControlError(
                f"the daemon is {state}: models can be changed only while it serves; see 'pytriton-host health startup'"
            )
        return name, version, float(timeout)

    async def _finish(self, work: Coroutine[Any, Any, list[str]], timeout: float) -> Mapping[str, Any]:
        """The result of ``work``. Work that is late goes on: half of a change is not a state to be left in."""
        task = asyncio.ensure_future(work)
        self._running.add(task)
        task.add_done_callback(self._ended)
        done, _ = await asyncio.wait([task], timeout=timeout)
        if not done:
            raise ControlError(f"timed out after {timeout:g} s; still running, see 'pytriton-host status'")
        return {"done": task.result()}

    def _ended(self, task: asyncio.Task[list[str]]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # its client may have been answered already, and the log has it


def not_live(daemon: DaemonView) -> list[str]:
    """Why the daemon counts as dead: the liveness verdicts that failed. That it answers is the rest of it."""
    return [daemon.readiness.last.dead] if daemon.readiness.last.dead else []


def not_ready(daemon: DaemonView) -> list[str]:
    """Why the daemon is not ready, by the last health snapshot."""
    state = daemon.status().state
    if state == "starting":
        return [f"starting: {awaited(daemon.registry)}"]
    if state != "serving":
        return [state]
    return daemon.readiness.last.reasons or ([] if daemon.readiness.ready else ["the gate is not open yet"])


def not_started(daemon: DaemonView) -> list[str]:
    """Why the start has not come to its end; ready or not, it has as soon as everything serves or has failed."""
    return [] if daemon.registry.settled.is_set() else not_ready(daemon)
