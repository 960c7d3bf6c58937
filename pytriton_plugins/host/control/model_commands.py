"""Loads, unloads and reloads models for an operator, while others serve."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING

from pytriton_plugins.errors import ConfigError, ControlError, PytritonPluginsError
from pytriton_plugins.host.control.imported import Imported
from pytriton_plugins.host.control.model_finder import ModelFinder, matches, why_unserved
from pytriton_plugins.host.supervision.records import PluginFailed, as_installed, find_candidates
from pytriton_plugins.host.tasks import background, discard
from pytriton_plugins.model.call_graph import in_load_order

if TYPE_CHECKING:
    from pytriton_plugins.discovery.references import ModelReference
    from pytriton_plugins.host.control.server import Progress
    from pytriton_plugins.host.supervision.admission import Admission
    from pytriton_plugins.host.supervision.records import PluginRecord
    from pytriton_plugins.host.supervision.registry import ModelRegistry
    from pytriton_plugins.host.supervision.supervisor import ModelSupervisor
    from pytriton_plugins.host.workers.process import WorkerProcess
    from pytriton_plugins.model.declaration import ModelDeclaration

_LOG = logging.getLogger("pytriton.host")
_POLL_INTERVAL = 0.02
"""Seconds between two looks whether workers have ended."""

_END_TIMEOUT = 5.0
"""Seconds for the end of idle workers."""

_CLIENT_TIMEOUT = 180.0
"""Seconds for running requests when a client unloads their model; `models unload` has the same default."""

UNLOADED_BY_CLIENT = "it was unloaded by a client of Triton's API"


class ModelCommands:
    """One at a time, and never beside a reload that a changed file asked for. Each raises ControlError with why not.

    ``name`` and ``version`` choose models; a version of None means each that there is. A line for each is returned.
    """

    def __init__(self, registry: ModelRegistry, admission: Admission) -> None:
        self._registry = registry
        self._admission = admission
        self._finder = ModelFinder(registry)

    async def unload(self, name: str, version: int | None, timeout: float, progress: Progress) -> list[str]:
        """Serve a model no longer; what runs gets ``timeout`` seconds."""
        results = []
        async with self._alone(progress):
            for model in self._finder.chosen(name, version):
                label = label_of(model.declaration)
                if model.unloaded:
                    raise ControlError(f"{label} is unloaded already")
                if model.is_coming:
                    raise ControlError(f"{label} is being loaded; wait until it serves")
                await self._unload(model, timeout, progress)
                _LOG.info("%s: unloaded", label)
                results.append(f"{label}: unloaded")
                results += [f"warning: {caller}" for caller in self._registry.callers.lost_by(model)]
        return results

    async def _unload(self, model: ModelSupervisor, timeout: float, progress: Progress) -> None:
        model.take_out()
        await self._end_workers(model, timeout, progress)
        progress(f"{label_of(model.declaration)}: unloading it in Triton")
        await self._registry.loader.unload(model)

    async def _end_workers(self, model: ModelSupervisor, timeout: float, progress: Progress) -> None:
        label, workers = label_of(model.declaration), model.live.workers
        loop = asyncio.get_running_loop()
        until = loop.time() + timeout
        if workers:
            progress(f"{label}: waiting for running requests")
        while model.live and loop.time() < until:
            await asyncio.sleep(_POLL_INTERVAL)
        for worker in model.live.workers:
            _LOG.warning("%s: its worker %d still ran requests after %g s and is killed", label, worker.pid, timeout)
            worker.dismiss()
        model.cancel()
        ends = [asyncio.ensure_future(worker.ended()) for worker in workers]
        if ends:
            await asyncio.wait(ends, timeout=_END_TIMEOUT)
            discard(*ends)

    async def follow_unload(self, models: Sequence[ModelSupervisor]) -> None:
        """The same for models that a client of Triton's own API has unloaded: Triton takes no request for them."""
        async with self._alone(_no_progress):
            for model in models:
                if model.loaded and not model.unloaded:
                    model.loaded = False
                    model.take_out(UNLOADED_BY_CLIENT)
                    _LOG.warning("%s: %s", label_of(model.declaration), UNLOADED_BY_CLIENT)
                    background(self._end_workers(model, _CLIENT_TIMEOUT, _no_progress))

    async def follow_load(self, models: Sequence[ModelSupervisor]) -> None:
        """Serve unloaded models that a client of Triton's own API has loaded; raises ControlError with why not."""
        async with self._alone(_no_progress):
            models = [model for model in models if model.unloaded]
            for model in models:
                _LOG.info("%s: a client of Triton's API has loaded it", label_of(model.declaration))
                model.take_out("it is being loaded again")
            try:
                await self._again(models, _no_progress)
            except PytritonPluginsError as error:
                for model in models:
                    model.take_out(f"a client of Triton's API loaded it, which failed: {error}")
                raise

    async def load(self, name: str, version: int | None, progress: Progress) -> list[str]:
        """Serve again what was unloaded or has failed, or a model of a plugin that was installed meanwhile.

        ``name`` may also be a target of `serve`, which then is one more plugin.
        """
        async with self._alone(progress):
            known = self._finder.known(name, version)
            down = [model for model in known or self._finder.of_plugin(name, version) if model.error]
            if known and not down:
                raise ControlError(why_unserved(known) or _served_already(known))
            if not down:
                return await self._load_new(name, version, progress)
            return await self._again(down, progress)

    async def reload(self, name: str, version: int | None, progress: Progress) -> list[str]:
        """Import a model's plugin anew, and serve what it declares now; if that fails the old one serves on."""
        async with self._alone(progress):
            chosen = self._finder.chosen(name, version)
            for model in chosen:
                if model.unloaded:
                    raise ControlError(f"{label_of(model.declaration)} is unloaded; load it: pytriton-host models load")
            return await self._again(chosen, progress)

    async def _again(self, models: Sequence[ModelSupervisor], progress: Progress) -> list[str]:
        results = []
        for attached in [model for model in models if model.is_attached]:
            who = f"{label_of(attached.declaration)} is attached by {attached.reference.label}"
            raise ControlError(f"{who}: there is no plugin to import; attach it again from that process")
        for place in dict.fromkeys(model.reference.place for model in models):
            async with self._imported(self._record_of(place), progress) as imported:
                for model in _in_load_order([model for model in models if model.reference.place == place]):
                    label = label_of(model.declaration)
                    declaration = _find(imported.plugin.models, model)
                    if declaration is None:
                        raise ControlError(f"{label} is not in plugin {imported.reference.label} any more")
                    if model.declaration != declaration or model.error:
                        self._admission.check_tensors(imported.reference, [declaration])
                    progress(f"{label}: setting up its workers")
                    first = self._take_worker(imported, declaration)
                    results.append(await self._serve_again(model, imported.reference, declaration, first))
        return results

    async def _serve_again(
        self,
        model: ModelSupervisor,
        reference: ModelReference,
        declaration: ModelDeclaration,
        first: WorkerProcess | None,
    ) -> str:
        label, remains = label_of(declaration), "" if model.error else "; the old one serves on"
        if model.declaration != declaration or model.error or model.is_attached:
            why_not = await self._registry.replace(model, reference, declaration, first)
            if why_not:
                raise ControlError(f"{label}: {why_not}{remains}")
            return f"{label}: serving"
        done, live = await model.swap(reference, first)
        if done < live:
            left = "the others serve on as they were" if done else "the old one serves on"
            raise ControlError(
                f"{label}: {model.last_failure or 'no worker came'}; {done} of {live} workers are new; {left}"
            )
        return f"{label}: serving" if live else f"{label}: it has no worker now; its next one serves the change"

    async def _load_new(self, name: str, version: int | None, progress: Progress) -> list[str]:
        """A model that is not known yet: look into plugins without models, new ones, then all others."""
        failures = []
        registry = self._registry
        for record in await asyncio.to_thread(find_candidates, registry.config, registry.hooks, registry.records, name):
            try:
                async with self._imported(record, progress) as imported:
                    wanted = self._wanted(record, imported.plugin.models, name, version)
                    if wanted:
                        return await self._admit(record, imported, wanted, progress)
            except ControlError as error:
                if name in record.reference.names:
                    raise
                failures.append(str(error))
        found = "".join(f"; {failure}" for failure in failures)
        if of_plugin := self._finder.of_plugin(name, version):
            raise ControlError(f"{_served_already(of_plugin)}{found}")
        raise ControlError(f"{self._finder.why_unknown(name, version, 'no plugin has an enabled model named')}{found}")

    def _wanted(
        self, record: PluginRecord, declarations: Sequence[ModelDeclaration], name: str, version: int | None
    ) -> list[ModelDeclaration]:
        """The model of that name, or every model of the plugin of that name; those that are known are left out.

        Of a target the version may be chosen, as of a model.
        """
        reference = record.reference
        is_named = name in reference.names and (version is None or not reference.distribution)
        mine = {key for key, model in self._registry.models.items() if model.reference.place == record.reference.place}
        return [
            each
            for each in declarations
            if matches(each, each.name if is_named else name, version) and (each.name, each.version) not in mine
        ]

    async def _admit(
        self, record: PluginRecord, imported: Imported, wanted: Sequence[ModelDeclaration], progress: Progress
    ) -> list[str]:
        registry, reference = self._registry, imported.reference
        self._admission.check_tensors(reference, wanted)
        self._admission.check_descriptors(wanted)
        self._admission.check_calls(wanted)
        results = []
        for declaration in in_load_order(wanted):
            label = label_of(declaration)
            for conflict in self._admission.conflicts(reference, [declaration]).values():
                raise ControlError(conflict.explanation)
            progress(f"{label}: setting up its workers")
            first = self._take_worker(imported, declaration)
            why_not = await registry.admit(reference, declaration, first, set())
            if why_not:
                raise ControlError(f"{label}: {why_not}")
            if record not in registry.records:
                registry.records.append(record)
            record.error = ""
            record.models.append(declaration.name)
            results.append(f"{label}: serving")
        registry.changed()
        return results

    @contextlib.asynccontextmanager
    async def _imported(self, record: PluginRecord, progress: Progress) -> AsyncIterator[Imported]:
        """The plugin as it is installed by now; a worker that is not taken from it ends."""
        if record.refused:
            raise ControlError(f"plugin {record.reference.label}: {record.error}")
        reference = record.reference
        imported: Imported | None = None
        try:
            reference = await as_installed(reference)
            progress(f"importing {reference.label}")
            imported = Imported(await self._registry.importer.run(record, reference))
            yield imported
        except (PluginFailed, ConfigError, OSError) as error:
            raise ControlError(f"plugin {reference.label}: {error}") from None
        finally:
            self._registry.name_upgrade(record, reference)
            if imported is not None and imported.worker is not None:
                imported.worker.dismiss()

    def _take_worker(self, imported: Imported, model: ModelDeclaration) -> WorkerProcess | None:
        """The worker that has imported the plugin, unless it is taken, or the model needs other variables."""
        worker = imported.worker
        if worker is None or not self._registry.fits(worker, imported.reference, model):
            return None
        imported.worker = None
        return worker

    def _record_of(self, place: str) -> PluginRecord:
        return next(record for record in self._registry.records if record.reference.place == place)

    @contextlib.asynccontextmanager
    async def _alone(self, progress: Progress) -> AsyncIterator[None]:
        if self._registry.changing.locked():
            progress("waiting for another change of models")
        async with self._registry.changing:
            try:
                yield
            except PytritonPluginsError as error:
                _LOG.warning("model command failed: %s", error)
                raise


def _no_progress(text: str) -> None:
    """Progress that is not shown."""


def _in_load_order(models: Sequence[ModelSupervisor]) -> list[ModelSupervisor]:
    order = in_load_order([model.declaration for model in models])
    return sorted(models, key=lambda model: order.index(model.declaration))


def _find(declarations: Sequence[ModelDeclaration], model: ModelSupervisor) -> ModelDeclaration | None:
    return next((each for each in declarations if matches(each, model.name, model.declaration.version)), None)


def _served_already(models: Sequence[ModelSupervisor]) -> str:
    return f"{' and '.join(label_of(model.declaration) for model in models)}: served already"


def label_of(declaration: ModelDeclaration) -> str:
    """The model and its version for messages."""
    return f"model {declaration.name} version {declaration.version}"
