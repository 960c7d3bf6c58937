"""Follows clients that load and unload models through Triton's own API, where that is allowed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from pytriton_plugins.errors import PytritonPluginsError

if TYPE_CHECKING:
    from pytriton_plugins.host.control.model_commands import ModelCommands
    from pytriton_plugins.host.supervision.registry import ModelRegistry
    from pytriton_plugins.host.supervision.supervisor import ModelSupervisor
    from pytriton_plugins.host.triton.server import TritonServer

POLL_INTERVAL = 0.3
"""Seconds between two looks at the models that Triton serves."""

_ANSWER_TIMEOUT = 5.0
_SERVED = ("READY", "LOADING")

States = dict[tuple[str, str], str]
"""Triton's state of each name and version."""


class RepositoryWatch:
    """Makes the daemon follow a client: `models unload` after an unload, `models load` after a load."""

    def __init__(self, registry: ModelRegistry, commands: ModelCommands) -> None:
        self._registry = registry
        self._commands = commands

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(POLL_INTERVAL)
            server = self._registry.running
            if server is None:
                continue
            try:
                states = await server.control.states(_ANSWER_TIMEOUT)
                for name in {model.name for model in self._registry.models.values() if _differs(model, states)}:
                    await self._follow(server, name)
            except PytritonPluginsError:
                pass  # it is logged, and the end of a server is handled elsewhere

    async def _follow(self, server: TritonServer, name: str) -> None:
        """Look again while no other task changes models, because the daemon may have caused the difference."""
        async with self._registry.changing:
            async with self._registry.loader.lock(name):
                states = await server.control.states(_ANSWER_TIMEOUT)
            models = [model for model in self._registry.models.values() if model.name == name]
            unloaded = [model for model in models if _was_unloaded(model, states)]
            loaded = [model for model in models if _was_loaded(model, states)]
        if unloaded:
            await self._commands.follow_unload(unloaded)
        if loaded:
            await self._load(server, name, loaded)

    async def _load(self, server: TritonServer, name: str, models: list[ModelSupervisor]) -> None:
        try:
            await self._commands.follow_load(models)
        except PytritonPluginsError:
            # Triton has it without a worker, so it is unloaded there as well.
            async with self._registry.loader.lock(name):
                served = [model for model in self._registry.models.values() if model.name == name and model.loaded]
                if not served:
                    await server.control.unload(name, timeout=_ANSWER_TIMEOUT)
            raise


def _differs(model: ModelSupervisor, states: States) -> bool:
    return _was_unloaded(model, states) or _was_loaded(model, states)


def _was_unloaded(model: ModelSupervisor, states: States) -> bool:
    return model.loaded and not model.held and not model.unloaded and _state(model, states) not in _SERVED


def _was_loaded(model: ModelSupervisor, states: States) -> bool:
    return model.unloaded and not model.loaded and _state(model, states) == "READY"


def _state(model: ModelSupervisor, states: States) -> str:
    return states.get((model.name, str(model.declaration.version)), "")
