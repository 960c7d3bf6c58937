"""What the daemon answers on its control socket; runs in the host's event loop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pytriton_plugins.errors import ControlError
from pytriton_plugins.host.control_socket import Command, Progress, Question
from pytriton_plugins.host.report import awaited
from pytriton_plugins.host.status import StatusReader
from pytriton_plugins.text import one_line

if TYPE_CHECKING:
    from pytriton_plugins.host.daemon import Host


class Answering:
    """The ``commands`` of the control socket, which ask the host."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._status_reader = StatusReader(host)
        self.commands: dict[str, Command] = {"health": self._health, "status": self._status}

    async def _health(self, question: Question, progress: Progress) -> Mapping[str, Any]:
        checks = {"live": not_live, "ready": not_ready, "startup": not_started}
        check = checks.get(str(question.get("check")))
        if check is None:
            raise ControlError(f"{one_line(repr(question.get('check')), 80)} is no check; ask live, ready or startup")
        reasons = check(self._host)
        return {"ok": not reasons, "reasons": [one_line(reason) for reason in reasons]}

    async def _status(self, question: Question, progress: Progress) -> Mapping[str, Any]:
        return await self._status_reader.read(not_ready(self._host))


def not_live(host: Host) -> list[str]:
    """Why the host counts as dead: the liveness verdicts that failed. That it answers is the rest of it."""
    return [host.health.last.dead] if host.health is not None and host.health.last.dead else []


def not_ready(host: Host) -> list[str]:
    """Why the host is not ready, as the health checks saw it last."""
    if host.state == "starting":
        return [f"starting: {awaited(host.roster)}"]
    if host.state != "serving" or host.health is None:
        return [host.state]
    return host.health.last.reasons or ([] if host.health.ready else ["the gate is not open yet"])


def not_started(host: Host) -> list[str]:
    """Why the start has not come to its end; ready or not, it has as soon as everything serves or has failed."""
    return [] if host.settled else not_ready(host)
