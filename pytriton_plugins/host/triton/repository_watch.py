"""Notices what clients load and unload through Triton's own API, where they may; runs in the host's event loop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from pytriton_plugins.errors import PytritonPluginsError

if TYPE_CHECKING:
    from pytriton_plugins.host.control.model_commands import ModelCommands
    from pytriton_plugins.host.supervision.registry import ModelRegistry
    from pytriton_plugins.host.supervision.supervisor import ModelSupervisor
    from pytriton_plugins.host.triton.server import TritonServer

PERIOD = 0.3
"""Seconds between two looks at what Triton serves."""

_ANSWER_PATIENCE = 5.0
_SERVED = ("READY", "LOADING")

States = dict[tuple[str, str], str]
"""What Triton says of each name and version."""


class RepositoryWatch:
    """Has the daemon do what a client did: `models unload` for an unload, `models load` for a load."""

    def __init__(self, registry: ModelRegistry, commands: ModelCommands) -> None:
        self._registry = registry
        self._commands = commands

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(PERIOD)
            server = self._registry.running
            if server is None:
                continue
            try:
                states = await server.control.states(_ANSWER_PATIENCE)
                for name in {model.name for model in self._registry.models.values() if _differs(model, states)}:
                    await self._follow(server, name)
            except PytritonPluginsError:
                pass  # the log has what was not done, and a server that ends is dealt with

    async def _follow(self, server: TritonServer, name: str) -> None:
        """Look again while nobody else changes the model, for it may have been ourselves."""
        async with self._registry.changing:
            async with self._registry.loader.lock(name):
                states = await server.control.states(_ANSWER_PATIENCE)
            models = [model for model in self._registry.models.values() if model.name == name]
            gone = [model for model in models if _is_gone(model, states)]
            came = [model for model in models if _has_come(model, states)]
        if gone:
            await self._commands.follow_unload(gone)
        if came:
            await self._load(server, name, came)

    async def _load(self, server: TritonServer, name: str, models: list[ModelSupervisor]) -> None:
        try:
            await self._commands.follow_load(models)
        except PytritonPluginsError:
            # Triton has it without a worker; so that both say the same, it is unloaded there as well.
            async with self._registry.loader.lock(name):
                served = [model for model in self._registry.models.values() if model.name == name and model.loaded]
                if not served:
                    await server.control.unload(name, timeout=_ANSWER_PATIENCE)
            raise


def _differs(model: ModelSupervisor, states: States) -> bool:
    return _is_gone(model, states) or _has_come(model, states)


def _is_gone(model: ModelSupervisor, states: States) -> bool:
    return model.loaded and not model.unloaded and _state(model, states) not in _SERVED


def _has_come(model: ModelSupervisor, states: States) -> bool:
    return model.unloaded and not model.loaded and _state(model, states) == "READY"


def _state(model: ModelSupervisor, states: States) -> str:
    return states.get((model.name, str(model.declaration.version)), "")
