"""What the daemon answers on its control socket; runs in the host's event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from typing import TYPE_CHECKING, Any

from pytriton_plugins.errors import ControlError
from pytriton_plugins.host.control.model_commands import ModelCommands
from pytriton_plugins.host.control.server import Command, Progress, Question
from pytriton_plugins.host.control.status import StatusReader, summary
from pytriton_plugins.host.startup_report import awaited
from pytriton_plugins.text import one_line

if TYPE_CHECKING:
    from pytriton_plugins.host.daemon import Host

_REST = 10.0
"""Seconds for unloading a model that nothing runs on any more."""

_LONGEST = 86400.0
"""Seconds that a command may take at most."""


class Answering:
    """The ``commands`` of the control socket, which ask the host."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._status_reader = StatusReader(host)
        self._models = ModelCommands(host.roster)
        self._working: set[asyncio.Task[list[str]]] = set()
        self.commands: dict[str, Command] = {
            "health": self._health,
            "status": self._status,
            "summary": self._summary,
            "unload": self._unload,
            "load": self._load,
            "reload": self._reload,
        }

    async def _health(self, question: Question, progress: Progress) -> Mapping[str, Any]:
        checks = {"live": not_live, "ready": not_ready, "startup": not_started}
        check = checks.get(str(question.get("check")))
        if check is None:
            raise ControlError(f"{one_line(repr(question.get('check')), 80)} is no check; ask live, ready or startup")
        reasons = check(self._host)
        return {"ok": not reasons, "reasons": [one_line(reason) for reason in reasons]}

    async def _status(self, question: Question, progress: Progress) -> Mapping[str, Any]:
        return await self._status_reader.read(not_ready(self._host))

    async def _summary(self, question: Question, progress: Progress) -> Mapping[str, Any]:
        return summary(self._host)

    async def _unload(self, question: Question, progress: Progress) -> Mapping[str, Any]:
        name, version, patience = self._asked_for(question)
        # What has its patience for the requests that run needs a little more for the rest.
        return await self._done(self._models.unload(name, version, patience, progress), patience + _REST)

    async def _load(self, question: Question, progress: Progress) -> Mapping[str, Any]:
        name, version, timeout = self._asked_for(question)
        return await self._done(self._models.load(name, version, progress), timeout)

    async def _reload(self, question: Question, progress: Progress) -> Mapping[str, Any]:
        name, version, timeout = self._asked_for(question)
        return await self._done(self._models.reload(name, version, progress), timeout)

    def _asked_for(self, question: Question) -> tuple[str, int | None, float]:
        name, version, timeout = (question.get(key) for key in ("model", "version", "timeout"))
        if not isinstance(name, str) or not isinstance(timeout, (int, float)) or not 0 < timeout <= _LONGEST:
            raise ControlError(f"write a model's name and a time-out from 0 to {_LONGEST:g} s")
        if version is not None and type(version) is not int:
            raise ControlError("a version is a whole number")
        state = self._host.status().state
        if state != "serving":
            raise ControlError(f"the host is {state}; models come and go while it serves: pytriton-host health startup")
        return one_line(name, 200), version, float(timeout)

    async def _done(self, work: Coroutine[Any, Any, list[str]], timeout: float) -> Mapping[str, Any]:
        """What was done in time. What is not goes on: half of a change is no state to be left in."""
        task = asyncio.ensure_future(work)
        self._working.add(task)
        task.add_done_callback(self._ended)
        done, _ = await asyncio.wait([task], timeout=timeout)
        if not done:
            raise ControlError(f"it is not done within {timeout:g} s and goes on; see 'pytriton-host status'")
        return {"done": task.result()}

    def _ended(self, task: asyncio.Task[list[str]]) -> None:
        self._working.discard(task)
        if not task.cancelled():
            task.exception()  # nobody may be waiting for it any more, and the log has it


def not_live(host: Host) -> list[str]:
    """Why the host counts as dead: the liveness verdicts that failed. That it answers is the rest of it."""
    return [host.health.last.dead] if host.health.last.dead else []


def not_ready(host: Host) -> list[str]:
    """Why the host is not ready, as the health checks saw it last."""
    state = host.status().state
    if state == "starting":
        return [f"starting: {awaited(host.roster)}"]
    if state != "serving":
        return [state]
    return host.health.last.reasons or ([] if host.health.ready else ["the gate is not open yet"])


def not_started(host: Host) -> list[str]:
    """Why the start has not come to its end; ready or not, it has as soon as everything serves or has failed."""
    return [] if host.settled else not_ready(host)
