"""Decides which models of imported plugins are served, and has them served."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

import attrs

from pytriton_plugins.config.overrides import worker_count
from pytriton_plugins.discovery.conflicts import ModelConflict, ProvidedModel, model_conflicts
from pytriton_plugins.errors import LimitError
from pytriton_plugins.host.repositories.checks import two_places
from pytriton_plugins.host.supervision.records import PluginFailed, is_required
from pytriton_plugins.host.system.resource_limits import Demand, check_descriptors
from pytriton_plugins.model.call_graph import cycle_problem

if TYPE_CHECKING:
    from pytriton_plugins.discovery.references import ModelReference
    from pytriton_plugins.host.supervision.plugins import ImportedPlugin
    from pytriton_plugins.host.supervision.records import PluginRecord
    from pytriton_plugins.host.supervision.registry import ModelRegistry
    from pytriton_plugins.model.declaration import ModelDeclaration

_LOG = logging.getLogger("pytriton.host")


class Admission:
    """Checks models against those that the registry has, and adds them to it."""

    def __init__(self, registry: ModelRegistry) -> None:
        self._registry = registry

    async def start(self, record: PluginRecord) -> None:
        """Have the plugin's models served, unless it is refused already; a failure is written into ``record``.

        Raises HookError when a hook plugin that is asked for the model's policy is broken. Models that do not fit
        below the limits of this system end the start.
        """
        record.required = is_required(self._registry.config, record)
        if record.error:
            record.refused = True
            _LOG.error("plugin %s: %s", record.reference.label, record.error)
            return
        try:
            await self._serve(record)
        except LimitError as error:
            self._registry.abort(error)

    async def serve(self, record: PluginRecord) -> None:
        """Import the plugin in a worker and have its models served; an error that it had stands until it is."""
        try:
            await self._serve(record)
        except LimitError as error:
            self._failed(record, error)

    def check_descriptors(self, declarations: Sequence[ModelDeclaration]) -> None:
        """Raises LimitError for models that would leave clients no descriptors beside what is served."""
        registry = self._registry
        served = [model for model in registry.models.values() if not model.error]
        demand = [(model.worker_count, model.declaration.slots) for model in served]
        demand += [(worker_count(registry.config, each), each.slots) for each in declarations]
        check_descriptors(Demand.of(demand))

    def check_tensors(self, reference: ModelReference, declarations: Sequence[ModelDeclaration]) -> None:
        """Raises PluginFailed for a model with other tensors than another version of it, or a repository's name.

        Versions of one name share Triton's configuration.
        """
        for reason in self._taken(reference, declarations).values():
            raise PluginFailed(reason)
        for declaration in declarations:
            for other in self._registry.models.values():
                if other.name != declaration.name or other.declaration.version == declaration.version:
                    continue
                if not _have_same_tensors(other.declaration, declaration):
                    raise PluginFailed(
                        f"{ProvidedModel(reference, declaration)} of {reference.label} has other inputs, outputs or "
                        f"another max_batch_size than version {other.declaration.version} of {other.reference.label}; "
                        "give it another name"
                    )

    def check_calls(self, declarations: Sequence[ModelDeclaration]) -> None:
        """Raises PluginFailed for models whose calls would form a cycle."""
        keys = {(each.name, each.version) for each in declarations}
        others = [model.declaration for key, model in self._registry.models.items() if key not in keys]
        for declaration in declarations:
            if problem := cycle_problem(declaration, [*others, *declarations]):
                raise PluginFailed(problem)

    def conflicts(
        self, reference: ModelReference, declarations: Sequence[ModelDeclaration]
    ) -> dict[tuple[str, int], ModelConflict]:
        """The models of the plugin that are served already, by name and version."""
        registry = self._registry
        new = [ProvidedModel(reference, declaration) for declaration in declarations]
        served = [ProvidedModel(model.reference, model.declaration) for model in registry.models.values()]
        return {each.key: each for each in model_conflicts([*served, *new]) if each.key in registry.models}

    async def _serve(self, record: PluginRecord) -> None:
        """Raises LimitError for models that would leave clients no descriptors."""
        try:
            plugin = await self._registry.importer.run(record)
            try:
                taken = self._taken(plugin.reference, plugin.models)
                plugin = attrs.evolve(plugin, models=[each for each in plugin.models if each.name not in taken])
                self.check_tensors(plugin.reference, plugin.models)
                self.check_descriptors(plugin.models)
            except (PluginFailed, LimitError):
                plugin.worker.dismiss()
                raise
        except PluginFailed as error:
            self._failed(record, error)
            return
        record.error = next(iter(taken.values()), "")
        for name, reason in taken.items():
            self._registry.repositories.give_up(name, reason)
        self._start_models(record, plugin, self._without_conflicts(record, plugin.models))

    def _taken(self, reference: ModelReference, declarations: Sequence[ModelDeclaration]) -> dict[str, str]:
        """The names that a repository has a model of as well, and the message about each."""
        repositories, place = self._registry.repositories.models, f"plugin {reference.label}"
        names = [each.name for each in declarations if each.name in repositories]
        return {name: two_places(name, place, repositories[name].found.place) for name in names}

    def _failed(self, record: PluginRecord, error: Exception) -> None:
        record.error = str(error)
        _LOG.error("plugin %s: %s", record.reference.plugin, error)
        self._registry.changed()

    def _without_conflicts(
        self, record: PluginRecord, declarations: Sequence[ModelDeclaration]
    ) -> list[ModelDeclaration]:
        """Of two models of one name and version neither is served: which plugin is imported first is chance."""
        conflicts = self.conflicts(record.reference, declarations)
        for key, conflict in conflicts.items():
            record.error = conflict.short_explanation
            # Not at once: the task that holds its worker, and releases it, may not have begun.
            asyncio.get_running_loop().call_soon(self._registry.models[key].give_up, conflict.explanation)
        return [each for each in declarations if (each.name, each.version) not in conflicts]

    def _start_models(
        self, record: PluginRecord, plugin: ImportedPlugin, declarations: Sequence[ModelDeclaration]
    ) -> None:
        """The worker that has imported the plugin serves its first model, unless that one needs other variables."""
        if not declarations:
            if not record.error:
                _LOG.info("plugin %s: none of its models is enabled", record.reference.plugin)
            plugin.worker.dismiss()
        for position, declaration in enumerate(declarations):
            record.models.append(declaration.name)
            first = plugin.worker if position == 0 else None
            if first is not None and not self._registry.fits(first, record.reference, declaration):
                first.dismiss()
                first = None
            self._registry.start(record.reference, declaration, first)
        self._registry.callers.refuse_cycles()


def _have_same_tensors(one: ModelDeclaration, other: ModelDeclaration) -> bool:
    return (one.inputs, one.outputs, one.max_batch_size) == (other.inputs, other.outputs, other.max_batch_size)
