"""How a worker is started: in its turn, with its interpreter, variables and path; runs in the host."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs

from pytriton_plugins.discovery.references import ModelReference
from pytriton_plugins.hooks.manager import HookManager
from pytriton_plugins.host.workers.process import Launch, Worker, WorkerFailed
from pytriton_plugins.host.workers.start_queue import Turns
from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.values import WorkerInfo


@attrs.frozen
class LaunchSettings:
    """The settings that decide how workers are started.

    ``plugins_dir`` stands last on their path, with ``reloads`` they write no bytecode, and ``hook_settings`` are the
    tables of hook plugins by name.
    """

    plugins_dir: Path | None = None
    reloads: bool = False
    hook_settings: Mapping[str, Mapping[str, Any]] = attrs.Factory(dict)


def launch_of(
    settings: LaunchSettings,
    hooks: HookManager,
    reference: ModelReference,
    model: ModelDeclaration | None,
    number: int,
) -> Launch:
    """For worker ``number`` of the plugin, or of one model of it; raises HookError while the host starts."""
    name, version = (model.name, model.version) if model else (None, None)
    info = WorkerInfo(number, 0, reference.plugin, name, version)
    # Bytecode is told from its source by whole seconds and size: a quick change of one digit would be missed.
    ours = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"} if settings.reloads else dict(os.environ)
    env = hooks.edit_worker_env(ours, reference.plugin, model, info)
    path = [str(settings.plugins_dir)] if settings.plugins_dir and not reference.python else []
    return Launch(reference.python or sys.executable, env, path)


def worker_hooks(settings: LaunchSettings, hooks: HookManager) -> list[dict[str, Any]]:
    """The hook plugins that workers import, as they are told of them."""
    return [
        {**attrs.asdict(reference), "settings": settings.hook_settings.get(reference.plugin, {})}
        for reference in hooks.worker_references()
    ]


async def imported(
    turns: Turns, owner: object, start: Callable[[], Worker], timeout: float
) -> tuple[Worker, list[ModelDeclaration]]:
    """A worker that has imported its plugin, when the turn of ``owner`` has come, and the models that it holds.

    Raises WorkerFailed, and what ``start`` raises: OSError, HookError. ``timeout``: seconds from its start on.
    """
    async with turns.turn(owner) as turn:
        worker = start()
        turn.watch(worker.pid)
        try:
            return worker, await worker.declared(timeout)
        except WorkerFailed:
            worker.kill()
            raise
