"""The status of the daemon as plain values, for `pytriton-host status`."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pytriton_plugins.discovery.entry_points import framework_version
from pytriton_plugins.errors import ServerError
from pytriton_plugins.host.control.repository_status import (
    broken_repositories,
    name_and_version,
    repository_models,
    summaries,
)
from pytriton_plugins.host.timeouts import within
from pytriton_plugins.host.triton.queue_depth import waiting_by_model
from pytriton_plugins.model.callee import callees_in_json

if TYPE_CHECKING:
    from pytriton_plugins.host.control.view import DaemonView
    from pytriton_plugins.host.supervision.records import PluginRecord
    from pytriton_plugins.host.supervision.supervisor import ModelSupervisor
    from pytriton_plugins.host.triton.server import TritonServer

_SERVER_TIMEOUT = 0.5
"""Seconds that tritonserver gets for an answer."""

Waiting = Counter[tuple[str, str]]


class StatusReader:
    """Reads the status of one daemon. What tritonserver does not answer in time is None."""

    def __init__(self, daemon: DaemonView) -> None:
        self._daemon = daemon
        self._started = time.monotonic()
        self._versions: dict[int, str] = {}
        """Of each server process that was asked."""

    async def read(self, reasons: list[str]) -> dict[str, Any]:
        """The status; ``reasons``: why the host is not ready."""
        daemon = self._daemon
        status = daemon.status()
        server = daemon.registry.running
        version, waiting = await asyncio.gather(self._version(server), _waiting(server))
        registry = daemon.registry
        models = sorted(registry.models.values(), key=lambda model: (model.name, model.declaration.version))
        own = await asyncio.gather(*[_model(model, server, waiting) for model in models])
        return {
            "schema": 1,
            "pid": os.getpid(),
            "version": framework_version(),
            "state": status.state,
            "ready": not reasons,
            "reasons": reasons,
            "uptime": round(time.monotonic() - self._started, 3),
            "address": status.address,
            "ports": daemon.listening_ports,
            "tritonserver": {
                "path": str(daemon.found.path),
                "pid": server.child.pid if server is not None and server.child.running else None,
                "version": version,
                "restarts": daemon.server_restarts,
            },
            "models": sorted([*own, *repository_models(registry.repositories)], key=name_and_version),
            "broken": [*_broken_plugins(registry.records), *broken_repositories(registry.repositories)],
            "errors": daemon.errors.lines,
        }

    async def _version(self, server: TritonServer | None) -> str | None:
        if server is None:
            return None
        pid = server.child.pid
        if pid not in self._versions:
            with contextlib.suppress(ServerError):
                self._versions = {pid: await server.control.version(_SERVER_TIMEOUT)}
        return self._versions.get(pid)


def summary(daemon: DaemonView) -> dict[str, Any]:
    """Where the host listens and what it serves, at once: for commands that only want to find it, or its models."""
    status = daemon.status()
    return {
        "schema": 1,
        "pid": os.getpid(),
        "address": status.address,
        "ports": daemon.listening_ports,
        "models": [
            {
                "model": model.name,
                "version": model.declaration.version,
                "plugin": model.reference.plugin,
                "inputs": [tensor.name for tensor in model.declaration.inputs],
            }
            for model in daemon.registry.models.values()
        ]
        + summaries(daemon.registry.repositories),
    }


def models_of(daemon: DaemonView, target: str) -> list[dict[str, Any]]:
    """The name and version of each model that is served from ``target``."""
    models = [model for model in daemon.registry.models.values() if model.reference.plugin == target]
    return [{"model": model.name, "version": model.declaration.version} for model in models]


def _broken_plugins(records: Sequence[PluginRecord]) -> list[dict[str, Any]]:
    return [
        {"plugin": record.reference.label, "model": "", "required": record.required, "error": record.error}
        for record in records
        if record.error
    ]


async def _waiting(server: TritonServer | None) -> Waiting | None:
    """None without metrics, which may be switched off."""
    if server is None or server.metrics_port is None:
        return None
    try:
        return await within(waiting_by_model(server.host, server.metrics_port), _SERVER_TIMEOUT)
    except (OSError, ValueError):
        return None


async def _model(model: ModelSupervisor, server: TritonServer | None, waiting: Waiting | None) -> dict[str, Any]:
    status = model.status()
    memory = status.memory
    return {
        "model": status.name,
        "version": status.version,
        "plugin": model.reference.label,
        "repository": "",
        "attached": model.is_attached,
        "ready": status.ready,
        "reason": status.reason,
        "required": model.required,
        "unloaded": model.unloaded,
        "calls": callees_in_json(model.declaration.calls),
        "workers": {"wanted": model.worker_count, "live": status.workers, "pids": [w.pid for w in model.live.workers]},
        "restarts": model.restarts,
        "memory": {"in_use": memory.in_use, "touched": memory.touched, "max": memory.max},
        "requests": await _requests(model, server, waiting),
    }


async def _requests(
    model: ModelSupervisor, server: TritonServer | None, waiting: Waiting | None
) -> dict[str, int | None]:
    """Those that wait in Triton's queue are missing where its metrics are."""
    if server is None or not model.loaded:
        return {"in_flight": 0, "waiting": 0}
    try:
        running, queued = await server.requests_of(model.number, _SERVER_TIMEOUT)
    except ServerError:
        return {"in_flight": None, "waiting": None}
    return {
        "in_flight": running,
        "waiting": queued + (waiting or Waiting())[model.name, str(model.declaration.version)],
    }
