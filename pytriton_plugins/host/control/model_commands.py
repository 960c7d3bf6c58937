"""Models that come, go or are swapped because an operator says so, while others serve; in the host's event loop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING

from pytriton_plugins.discovery.references import ModelReference
from pytriton_plugins.errors import ConfigError, ControlError, PytritonPluginsError
from pytriton_plugins.host.control.newcomers import as_installed, candidates
from pytriton_plugins.host.control.server import Progress
from pytriton_plugins.host.memory.allocator import POLL_INTERVAL
from pytriton_plugins.host.supervision.plugins import (
    PluginRecord,
    conflict,
    enabled,
    refuse_other_tensors,
    refuse_too_many,
    take_up,
    tell_notes,
)
from pytriton_plugins.host.supervision.supervisor import ServedModel
from pytriton_plugins.host.tasks import background, let_go
from pytriton_plugins.host.workers.process import WorkerFailed, WorkerProcess
from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.suggestions import suggestion

if TYPE_CHECKING:
    from pytriton_plugins.host.supervision.registry import Roster

_LOG = logging.getLogger("pytriton.host")
_END_PATIENCE = 5.0
"""Seconds for the end of workers that nothing runs on any more."""

_CLIENT_PATIENCE = 180.0
"""Seconds that requests get which run when a client unloads their model; `models unload` has the same default."""

UNLOADED_BY_CLIENT = "it was unloaded by a client of Triton's API"


class ModelCommands:
    """One at a time, and never beside a reload that a changed file asked for. Each raises ControlError with why not.

    ``name`` and ``version`` choose models; a version of None means each that there is. A line for each is returned.
    """

    def __init__(self, roster: Roster) -> None:
        self._roster = roster

    async def unload(self, name: str, version: int | None, patience: float, progress: Progress) -> list[str]:
        """Serve a model no longer; what runs gets ``patience`` seconds."""
        said = []
        async with self._alone(progress):
            for model in self._chosen(name, version):
                label = _label(model.declaration)
                if model.unloaded:
                    raise ControlError(f"{label} is unloaded already")
                if not model.loaded and not model.error:
                    raise ControlError(f"{label} is being loaded; wait until it serves")
                await self._unload(model, patience, progress)
                _LOG.info("%s: unloaded", label)
                said.append(f"{label}: unloaded")
        return said

    async def _unload(self, model: ServedModel, patience: float, progress: Progress) -> None:
        model.take_out()
        await self._end_workers(model, patience, progress)
        progress(f"{_label(model.declaration)}: unloading it in Triton")
        await self._roster.unload(model)

    async def _end_workers(self, model: ServedModel, patience: float, progress: Progress) -> None:
        label, workers = _label(model.declaration), model.live.workers
        loop = asyncio.get_running_loop()
        until = loop.time() + patience
        if workers:
            progress(f"{label}: waiting for the requests that run")
        while model.live and loop.time() < until:
            await asyncio.sleep(POLL_INTERVAL)
        for worker in model.live.workers:
            _LOG.warning("%s: its worker %d still ran requests after %g s and is killed", label, worker.pid, patience)
            worker.dismiss()
        model.cancel()
        ends = [asyncio.ensure_future(worker.ended()) for worker in workers]
        if ends:
            await asyncio.wait(ends, timeout=_END_PATIENCE)
            let_go(*ends)

    async def follow_unload(self, models: Sequence[ServedModel]) -> None:
        """The same for models that a client of Triton's own API has unloaded: Triton takes no request for them."""
        async with self._alone(_nobody):
            for model in models:
                if model.loaded and not model.unloaded:
                    model.loaded = False
                    model.take_out(UNLOADED_BY_CLIENT)
                    _LOG.warning("%s: %s", _label(model.declaration), UNLOADED_BY_CLIENT)
                    background(self._end_workers(model, _CLIENT_PATIENCE, _nobody))

    async def follow_load(self, models: Sequence[ServedModel]) -> None:
        """Serve unloaded models that a client of Triton's own API has loaded; raises ControlError with why not."""
        async with self._alone(_nobody):
            models = [model for model in models if model.unloaded]
            for model in models:
                _LOG.info("%s: a client of Triton's API has loaded it", _label(model.declaration))
                model.take_out("it is being loaded again")
            try:
                await self._again(models, _nobody)
            except PytritonPluginsError as error:
                for model in models:
                    model.take_out(f"a client of Triton's API loaded it, which failed: {error}")
                raise

    async def load(self, name: str, version: int | None, progress: Progress) -> list[str]:
        """Serve again what was unloaded or has failed, or a model of a plugin that was installed meanwhile."""
        async with self._alone(progress):
            known = [model for model in self._roster.models.values() if _matches(model.declaration, name, version)]
            down = [model for model in known or self._of_plugin(name, version) if model.error]
            if known and not down:
                raise ControlError(_served_already(known))
            if not down:
                return await self._load_new(name, version, progress)
            return await self._again(down, progress)

    async def reload(self, name: str, version: int | None, progress: Progress) -> list[str]:
        """Import a model's plugin anew, and serve what it declares now; if that fails the old one serves on."""
        async with self._alone(progress):
            chosen = self._chosen(name, version)
            for model in chosen:
                if model.unloaded:
                    raise ControlError(f"{_label(model.declaration)} is unloaded; load it: pytriton-host models load")
            return await self._again(chosen, progress)

    async def _again(self, models: Sequence[ServedModel], progress: Progress) -> list[str]:
        said = []
        for place in dict.fromkeys(model.reference.place for model in models):
            record = self._record_of(place)
            async with self._imported(record, progress) as (reference, declarations, workers):
                for model in [model for model in models if model.reference.place == place]:
                    label = _label(model.declaration)
                    declaration = _find(declarations, model)
                    if declaration is None:
                        raise ControlError(f"{label} is not in plugin {reference.label} any more")
                    if model.declaration != declaration or model.error:
                        refuse_other_tensors(self._roster, reference, [declaration])
                    progress(f"{label}: setting up its workers")
                    first = self._taken(reference, declaration, workers)
                    said.append(await self._serve_again(model, reference, declaration, first))
        return said

    async def _serve_again(
        self, model: ServedModel, reference: ModelReference, declaration: ModelDeclaration, first: WorkerProcess | None
    ) -> str:
        label, kept = _label(declaration), "" if model.error else "; the old one serves on"
        if model.declaration != declaration or model.error:
            why_not = await self._roster.replace(model, reference, declaration, first)
            if why_not:
                raise ControlError(f"{label}: {why_not}{kept}")
            return f"{label}: serving"
        done, live = await model.swap(reference, first)
        if done < live:
            left = "the others serve on as they were" if done else "the old one serves on"
            raise ControlError(
                f"{label}: {model.last_failure or 'no worker came'}; {done} of {live} workers are new; {left}"
            )
        return f"{label}: serving" if live else f"{label}: it has no worker now; its next one serves the change"

    async def _load_new(self, name: str, version: int | None, progress: Progress) -> list[str]:
        """A model that nobody has heard of yet: look into plugins without models, new ones, then all others."""
        failures = []
        for record in await candidates(self._roster, name):
            try:
                async with self._imported(record, progress) as (reference, declarations, workers):
                    wanted = self._wanted(record, declarations, name, version)
                    if wanted:
                        return await self._admit(record, reference, wanted, workers, progress)
            except (ControlError, WorkerFailed) as error:
                if name in record.reference.names:
                    raise
                failures.append(str(error))
        found = "".join(f"; {failure}" for failure in failures)
        if of_plugin := self._of_plugin(name, version):
            raise ControlError(f"{_served_already(of_plugin)}{found}")
        unknown = f"no plugin has a model {name} that is to be served{self._hint(name)}"
        raise ControlError(f"{self._misnamed(name, version) or unknown}{found}")

    def _wanted(
        self, record: PluginRecord, declarations: Sequence[ModelDeclaration], name: str, version: int | None
    ) -> list[ModelDeclaration]:
        """The model of that name, or every model of the plugin of that name; those that are known are left out."""
        all_of_it = name in record.reference.names and version is None
        mine = {key for key, model in self._roster.models.items() if model.reference.place == record.reference.place}
        return [
            each
            for each in declarations
            if (all_of_it or _matches(each, name, version)) and (each.name, each.version) not in mine
        ]

    async def _admit(
        self,
        record: PluginRecord,
        reference: ModelReference,
        wanted: Sequence[ModelDeclaration],
        workers: list[WorkerProcess],
        progress: Progress,
    ) -> list[str]:
        refuse_other_tensors(self._roster, reference, list(wanted))
        refuse_too_many(self._roster, wanted)
        said = []
        for declaration in wanted:
            label = _label(declaration)
            other = self._roster.models.get((declaration.name, declaration.version))
            if other is not None:
                raise ControlError(conflict(declaration, (other.reference, reference)))
            progress(f"{label}: setting up its workers")
            first = self._taken(reference, declaration, workers)
            why_not = await self._roster.admit(reference, declaration, first, set())
            if why_not:
                raise ControlError(f"{label}: {why_not}")
            if record not in self._roster.records:
                self._roster.records.append(record)
            record.error = ""
            record.models.append(declaration.name)
            said.append(f"{label}: serving")
        self._roster.changed()
        return said

    @contextlib.asynccontextmanager
    async def _imported(
        self, record: PluginRecord, progress: Progress
    ) -> AsyncIterator[tuple[ModelReference, list[ModelDeclaration], list[WorkerProcess]]]:
        """The plugin as it is installed by now, what it declares, and its worker, for the first who takes it."""
        if record.refused:
            raise ControlError(f"plugin {record.reference.label}: {record.error}")
        reference = record.reference
        workers: list[WorkerProcess] = []
        try:
            reference = await as_installed(reference)
            progress(f"importing {reference.label}")
            worker, declared = await self._roster.imported(record, reference)
            workers.append(worker)
            record.files = worker.files
            record.declared = frozenset(declaration.name for declaration in declared)
            tell_notes(reference, worker)
            yield reference, enabled(self._roster.config, declared), workers
        except (WorkerFailed, ConfigError, OSError) as error:
            raise ControlError(f"plugin {reference.label}: {error}") from None
        finally:
            take_up(self._roster, record, reference)
            for worker in workers:
                worker.dismiss()

    def _taken(
        self, reference: ModelReference, model: ModelDeclaration, workers: list[WorkerProcess]
    ) -> WorkerProcess | None:
        """The worker that has imported the plugin, unless it is taken, or the model needs other variables."""
        if not workers or self._roster.launch_of(reference, model, workers[0].number) != workers[0].launch:
            return None
        return workers.pop()

    def _record_of(self, place: str) -> PluginRecord:
        return next(record for record in self._roster.records if record.reference.place == place)

    def _chosen(self, name: str, version: int | None) -> list[ServedModel]:
        found = [model for model in self._roster.models.values() if _matches(model.declaration, name, version)]
        if not found:
            unknown = f"there is no model {name}{self._hint(name)}; see 'pytriton-host models list'"
            raise ControlError(self._misnamed(name, version) or unknown)
        return found

    def _of_plugin(self, name: str, version: int | None) -> list[ServedModel]:
        """Every model of the plugin of that name; none where a version is asked for, which plugins do not have."""
        models = self._roster.models.values()
        return [model for model in models if version is None and name in model.reference.names]

    def _misnamed(self, name: str, version: int | None) -> str:
        """What is wrong with a version of a known model, or with a plugin's name for a model's; empty for others."""
        models = self._roster.models.values()
        versions = sorted(model.declaration.version for model in models if model.name == name)
        if versions:
            return f"model {name} has no version {version}; it has {', '.join(map(str, versions))}"
        of_plugin = sorted({model.name for model in models if name in model.reference.names})
        return f"{name} is a plugin, not a model; name one of its models: {', '.join(of_plugin)}" if of_plugin else ""

    def _hint(self, name: str) -> str:
        return suggestion(name, {model.name for model in self._roster.models.values()})

    @contextlib.asynccontextmanager
    async def _alone(self, progress: Progress) -> AsyncIterator[None]:
        if self._roster.changing.locked():
            progress("waiting for another change of models")
        async with self._roster.changing:
            try:
                yield
            except PytritonPluginsError as error:
                _LOG.warning("not done: %s", error)
                raise


def _nobody(text: str) -> None:
    """Progress that nobody asked for."""


def _matches(declaration: ModelDeclaration, name: str, version: int | None) -> bool:
    return declaration.name == name and version in (None, declaration.version)


def _find(declarations: Sequence[ModelDeclaration], model: ServedModel) -> ModelDeclaration | None:
    return next((each for each in declarations if _matches(each, model.name, model.declaration.version)), None)


def _served_already(models: Sequence[ServedModel]) -> str:
    return f"{' and '.join(_label(model.declaration) for model in models)}: served already"


def _label(declaration: ModelDeclaration) -> str:
    return f"model {declaration.name} version {declaration.version}"
