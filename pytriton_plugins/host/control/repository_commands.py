"""Loads, unloads and reloads models of repositories; names of other models go to the commands for those."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import logging
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pytriton_plugins.errors import ConfigError, ControlError, ServerError
from pytriton_plugins.host.control.target_commands import TargetCommands
from pytriton_plugins.host.repositories.checks import two_places
from pytriton_plugins.host.repositories.finding import read_repositories
from pytriton_plugins.host.repositories.model import UNLOADED, RepositoryModel
from pytriton_plugins.host.supervision.records import find_plugins
from pytriton_plugins.host.triton.backends import backend_folders
from pytriton_plugins.model.call_graph import in_load_order

if TYPE_CHECKING:
    from pytriton_plugins.host.control.server import Progress
    from pytriton_plugins.host.repositories.found import FoundModel, FoundRepository
    from pytriton_plugins.host.supervision.admission import Admission
    from pytriton_plugins.host.supervision.registry import ModelRegistry

_LOG = logging.getLogger("pytriton.host")


class RepositoryCommands(TargetCommands):
    """The commands for all models. Each raises ControlError with why not."""

    def __init__(self, registry: ModelRegistry, admission: Admission, server: Path) -> None:
        """``server``: tritonserver's program, whose backends may be used."""
        super().__init__(registry, admission)
        self._backends = backend_folders(server)
        self._repositories = registry.repositories
        self._reloads = itertools.count(1)

    async def unload(self, name: str, version: int | None, timeout: float, progress: Progress) -> list[str]:
        """Serve a model no longer; what runs gets ``timeout`` seconds."""
        model = self._repositories.models.get(name)
        async with self._without_ensembles(name, version) as users:
            if model is None:
                done = await super().unload(name, version, timeout, progress)
            else:
                done = [await self._unload_one(model, version, progress)]
        return [*done, *(f"model {each.name}: it contains {name} and is not served meanwhile" for each in users)]

    async def load(self, name: str, version: int | None, progress: Progress) -> list[str]:
        """Serve again what was unloaded or has failed, or what has come into a repository meanwhile."""
        if self._finder.known(name, version):
            return await super().load(name, version, progress)
        found = await self._read()
        new = next((model for each in found for model in each.models if model.name == name), None)
        if new is not None:
            return await self._load_alone(new, version, progress)
        models = self._of_repository(name, found)
        if not models:
            return await super().load(name, version, progress)
        return await self._load_both(name, version, models, progress)

    async def _load_both(
        self, name: str, version: int | None, models: Sequence[FoundModel], progress: Progress
    ) -> list[str]:
        """Load what is down of the plugin of that name, and of the repository, whose ensembles may contain it."""
        done: list[str] = []
        problems: list[str] = []
        loads = [functools.partial(self._load_alone, each, version, progress) for each in _in_load_order(models)]
        if await self._has_plugin_to_load(name):
            loads.insert(0, functools.partial(super().load, name, version, progress))
        for load in loads:
            try:
                done += await load()
            except ControlError as error:
                problems += error.problems
        if problems:
            for line in done:
                progress(line)
            raise ControlError(*problems)
        return done

    async def _has_plugin_to_load(self, name: str) -> bool:
        """Whether a plugin of that name has a model that is down, or none that is known: it may be a new one."""
        if known := self._finder.of_plugin(name, None):
            return any(model.error for model in known)
        installed = await asyncio.to_thread(find_plugins, self._registry.config, self._registry.hooks)
        return any(name in record.reference.names for record in installed)

    async def _load_alone(self, new: FoundModel, version: int | None, progress: Progress) -> list[str]:
        async with self._alone(progress):
            return [await self._load_one(new, version, progress)]

    async def reload(self, name: str, version: int | None, progress: Progress) -> list[str]:
        """Read a model's folder again, and serve what is in it now; if that fails the old one serves on."""
        model = self._repositories.models.get(name)
        if model is None:
            return await super().reload(name, version, progress)
        async with self._alone(progress):
            _check_version(name, version)
            if model.unloaded:
                raise ControlError(f"model {name} is unloaded; load it: pytriton-host models load")
            found = await self._read()
            new = next((each for every in found for each in every.models if each.name == name), None)
            if new is None:
                raise ControlError(f"model {name}: its folder is gone from {model.found.place}{_remains(model)}")
            if new.error:
                raise ControlError(f"model {name}: {new.error}{_remains(model)}")
            return [await self._reload_one(model, new, progress)]

    async def _unload_one(self, model: RepositoryModel, version: int | None, progress: Progress) -> str:
        async with self._alone(progress), self._repositories.changing(model.name):
            _check_version(model.name, version)
            if model.unloaded:
                raise ControlError(f"model {model.name} is unloaded already")
            progress(f"model {model.name}: unloading it in Triton")
            was_ready = bool(model.ready)
            model.take_out(UNLOADED)
            self._registry.changed()
            if was_ready:
                await self._repositories.loader.unload(model.name, await self._registry.server())
            _LOG.info("model %s: unloaded", model.name)
            return f"model {model.name}: unloaded"

    async def _load_one(self, new: FoundModel, version: int | None, progress: Progress) -> str:
        name, repositories = new.name, self._repositories
        _check_version(name, version)
        if new.error:
            raise ControlError(f"model {name} of repository {new.reference.label}: {new.error}")
        if clash := next((each for each in self._registry.models.values() if each.name == name), None):
            raise ControlError(two_places(name, f"plugin {clash.reference.label}", new.place))
        async with repositories.changing(name):
            model = repositories.put(new)
            if model.ready and not model.why_not():
                raise ControlError(f"model {name}: served already")
            progress(f"model {name}: loading it in Triton")
            was_out = model.unloaded
            if not model.ready:
                model.found = new
            model.forget_error()
            if model.wants_load:
                await repositories.load(model, await self._registry.server())
            if (reason := model.why_not()) and was_out:  # readiness does not depend on it until it serves
                model.take_out(reason)
        repositories.begin()
        self._registry.changed()
        if reason:
            raise ControlError(f"model {name}: {reason}")
        return f"model {name}: serving"

    async def _reload_one(self, model: RepositoryModel, new: FoundModel, progress: Progress) -> str:
        repositories = self._repositories
        try:
            async with repositories.changing(model.name):
                progress(f"model {model.name}: loading it in Triton")
                again = next(self._reloads) if model.ready else 0
                await repositories.loader.load(new, await self._registry.server(), again=again)
                model.found, model.ready = new, new.versions
                model.forget_error()
        except ServerError as error:
            raise ControlError(f"model {model.name}: {error}{_remains(model)}") from None
        finally:
            self._registry.changed()
        return f"model {model.name}: serving"

    async def _read(self) -> list[FoundRepository]:
        """The repositories as they are by now; raises ControlError as a start would fail."""
        try:
            return await asyncio.to_thread(read_repositories, self._registry.config, self._backends)
        except ConfigError as error:
            raise ControlError(*error.problems) from None

    def _of_repository(self, name: str, found: Sequence[FoundRepository]) -> list[FoundModel]:
        """The models of the repository of that name that are not served, if there is one of that name."""
        named = [model for each in found if name in each.reference.names for model in each.models]
        served = self._repositories.models
        return [model for model in named if model.name not in served or served[model.name].why_not()]

    @contextlib.asynccontextmanager
    async def _without_ensembles(self, name: str, version: int | None) -> AsyncIterator[list[RepositoryModel]]:
        """Unloads the ensembles that contain the model first, as Triton would do with an error for each."""
        models = self._repositories.models.values()
        users = [each for each in models if each.ready and name in (step.model for step in each.found.steps)]
        users = users if version is None else []
        for each in users:
            each.is_paused = True
        try:
            for each in users:
                await self._release(each)
            yield users
        finally:
            for each in users:
                each.is_paused = False
            self._registry.changed()

    async def _release(self, model: RepositoryModel) -> None:
        async with self._repositories.changing(model.name):
            model.ready = ()
            self._registry.changed()
            try:
                await self._repositories.loader.unload(model.name, await self._registry.server())
            except ServerError as error:
                raise ControlError(f"model {model.name}: {error}") from None


def _in_load_order(models: Sequence[FoundModel]) -> list[FoundModel]:
    """Each ensemble after the models that it contains."""
    names = [node.name for node in in_load_order([node for model in models for node in model.nodes()])]
    return sorted(models, key=lambda model: names.index(model.name) if model.name in names else len(names))


def _check_version(name: str, version: int | None) -> None:
    if version is not None:
        raise ControlError(
            f"model {name} is of a repository, and its versions are loaded together; leave out --version"
        )


def _remains(model: RepositoryModel) -> str:
    return "; the old one serves on" if model.ready else ""
