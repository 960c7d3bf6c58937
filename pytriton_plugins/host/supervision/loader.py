"""Loads models into Triton and unloads them, one change of a name at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pytriton_plugins.errors import ServerError, ServerGone
from pytriton_plugins.host.supervision.triton_config import TritonConfigs, newest_of
from pytriton_plugins.host.timeouts import within
from pytriton_plugins.host.triton.options import has_cache
from pytriton_plugins.host.triton.repository import CATEGORY, add_model, plain_config, write_config, write_labels

if TYPE_CHECKING:
    from pytriton_plugins.config.host_config import HostConfig
    from pytriton_plugins.hooks.manager import HookManager
    from pytriton_plugins.host.supervision.context import ServedModel
    from pytriton_plugins.host.supervision.current_server import CurrentServer
    from pytriton_plugins.host.triton.server import TritonServer

RELOADED = "pytriton_reloaded"
"""Parameter in the configuration of a model that came in the place of another."""


class ModelLoader:
    """Versions of one name share a configuration, so each change takes the other versions into account."""

    def __init__(
        self,
        config: HostConfig,
        hooks: HookManager,
        repository: Path,
        server: CurrentServer,
        models: Mapping[tuple[str, int], ServedModel],
    ) -> None:
        """``models``: those that are served, by name and version."""
        self._timeout = config.load_timeout
        self._writes_configs = CATEGORY in config.allow
        """Clients may load models as well."""
        self._configs = TritonConfigs(hooks, has_cache=has_cache(config.server_options), reloads=config.reload)
        self._repository = repository
        self._server = server
        self._models = models
        self._locks: dict[str, asyncio.Lock] = {}

    def lock(self, name: str) -> asyncio.Lock:
        """Held while Triton loads or unloads a model of that name for us."""
        return self._locks.setdefault(name, asyncio.Lock())

    async def load(self, model: ServedModel, server: TritonServer, *, replaces: bool) -> None:
        """Load the model, with every version of its name that is loaded; ServerGone if the server ends.

        ``replaces``: it takes the place of another, or is replaced itself.
        """
        async with self.lock(model.name):
            loaded = self._loaded(model.name)
            add_model(self._repository, model.declaration)
            versions = [model, *loaded]
            config = self._configs.of(versions)
            if replaces:
                # Triton passes over a load whose configuration is the one that it has.
                config["parameters"] = {**config.get("parameters", {}), RELOADED: {"string_value": str(model.number)}}
            try:
                write_labels(self._repository, newest_of(versions).declaration)
                if self._writes_configs:
                    write_config(self._repository, model.name, config)
                await server.load(model.name, config, self._timeout)
            except ServerGone:
                raise
            except ServerError as error:
                if not loaded:
                    await server.forget(model.name, plain_config(model.declaration), self._timeout)
                raise ServerError(f"plugin {model.reference.label}: {error}") from None

    async def unload(self, model: ServedModel) -> None:
        """Have Triton release a model that no request runs on; the other versions of its name stay."""
        async with self.lock(model.name):
            server, timeout = await self._server.get(), self._timeout
            if not model.loaded:
                return
            others = [each for each in self._loaded(model.name) if each is not model]
            if others:
                await server.load(model.name, self._configs.of(others), timeout)
            else:
                await server.control.unload(model.name, timeout=timeout)
            try:
                await within(model.gone.wait(), timeout)
            except TimeoutError:
                raise ServerError(f"model {model.name}: Triton did not release it within {timeout:g} s") from None
            model.loaded = False

    def _loaded(self, name: str) -> list[ServedModel]:
        return [model for model in self._models.values() if model.name == name and model.loaded]
