"""What `status` is told: everything that the daemon knows of itself, as plain values; runs in the host's event loop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from pytriton_plugins.discovery.entry_points import framework_version
from pytriton_plugins.errors import ServerError
from pytriton_plugins.host.supervision.supervisor import ServedModel
from pytriton_plugins.host.timeouts import within
from pytriton_plugins.host.triton.queue_depth import waiting_by_model
from pytriton_plugins.host.triton.server import TritonServer

if TYPE_CHECKING:
    from pytriton_plugins.host.daemon import Host

_PATIENCE = 0.5
"""Seconds that tritonserver gets to say what only it knows."""

Waiting = Counter[tuple[str, str]]


class StatusReader:
    """Looks at one host. What tritonserver does not say in time is None."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._started = time.monotonic()
        self._versions: dict[int, str] = {}
        """Of each server process that was asked."""

    async def read(self, reasons: list[str]) -> dict[str, Any]:
        """The status; ``reasons``: why the host is not ready."""
        host = self._host
        status = host.status()
        server = host.roster.running
        version, waiting = await asyncio.gather(self._version(server), _waiting(server))
        models = sorted(host.roster.models.values(), key=lambda model: (model.name, model.declaration.version))
        return {
            "schema": 1,
            "pid": os.getpid(),
            "version": framework_version(),
            "state": status.state,
            "ready": not reasons,
            "reasons": reasons,
            "uptime": round(time.monotonic() - self._started, 3),
            "address": status.address,
            "ports": host.listening_ports,
            "tritonserver": {
                "path": str(host.found.path),
                "pid": server.child.pid if server is not None and server.child.running else None,
                "version": version,
                "restarts": host.server_restarts,
            },
            "models": await asyncio.gather(*[_model(model, server, waiting) for model in models]),
            "broken": [
                {"plugin": record.reference.label, "required": record.required, "error": record.error}
                for record in host.roster.records
                if record.error
            ],
            "errors": host.errors.lines,
        }

    async def _version(self, server: TritonServer | None) -> str | None:
        if server is None:
            return None
        pid = server.child.pid
        if pid not in self._versions:
            with contextlib.suppress(ServerError):
                self._versions = {pid: await server.control.version(_PATIENCE)}
        return self._versions.get(pid)


def summary(host: Host) -> dict[str, Any]:
    """Where the host listens and what it serves, at once: for commands that only want to find it, or its models."""
    status = host.status()
    return {
        "schema": 1,
        "pid": os.getpid(),
        "address": status.address,
        "ports": host.listening_ports,
        "models": [
            {
                "model": model.name,
                "version": model.declaration.version,
                "plugin": model.reference.plugin,
                "inputs": [tensor.name for tensor in model.declaration.inputs],
            }
            for model in host.roster.models.values()
        ],
    }


async def _waiting(server: TritonServer | None) -> Waiting | None:
    """None without metrics, which may be switched off."""
    if server is None or server.metrics_port is None:
        return None
    try:
        return await within(waiting_by_model(server.host, server.metrics_port), _PATIENCE)
    except (OSError, ValueError):
        return None


async def _model(model: ServedModel, server: TritonServer | None, waiting: Waiting | None) -> dict[str, Any]:
    status = model.status()
    memory = status.memory
    return {
        "model": status.name,
        "version": status.version,
        "plugin": model.reference.label,
        "ready": status.ready,
        "reason": status.reason,
        "required": model.required,
        "unloaded": model.unloaded,
        "workers": {"wanted": model.worker_count, "live": status.workers, "pids": [w.pid for w in model.live.workers]},
        "restarts": model.restarts,
        "memory": {"in_use": memory.in_use, "touched": memory.touched, "max": memory.max},
        "requests": await _requests(model, server, waiting),
    }


async def _requests(model: ServedModel, server: TritonServer | None, waiting: Waiting | None) -> dict[str, int | None]:
    """Those that wait in Triton's queue are missing where its metrics are."""
    if server is None or not model.loaded:
        return {"in_flight": 0, "waiting": 0}
    try:
        running, queued = await server.requests_of(model.number, _PATIENCE)
    except ServerError:
        return {"in_flight": None, "waiting": None}
    return {
        "in_flight": running,
        "waiting": queued + (waiting or Waiting())[model.name, str(model.declaration.version)],
    }
