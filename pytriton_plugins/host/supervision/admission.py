"""Has the models of imported plugins served, or records why they cannot be."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pytriton_plugins.config.overrides import worker_count
from pytriton_plugins.discovery.conflicts import ProvidedModel, model_conflicts
from pytriton_plugins.errors import LimitError
from pytriton_plugins.host.supervision.plugins import PluginFailed
from pytriton_plugins.host.supervision.records import is_required
from pytriton_plugins.host.system.resource_limits import Demand, check_descriptors

if TYPE_CHECKING:
    from pytriton_plugins.discovery.references import ModelReference
    from pytriton_plugins.host.supervision.plugins import ImportedPlugin
    from pytriton_plugins.host.supervision.records import PluginRecord
    from pytriton_plugins.host.supervision.registry import ModelRegistry
    from pytriton_plugins.model.declaration import ModelDeclaration

_LOG = logging.getLogger("pytriton.host")


async def start_plugin(registry: ModelRegistry, record: PluginRecord) -> None:
    """Have the plugin's models served, unless it is refused already; a failure is written into ``record``.

    Raises HookError when a hook plugin that is asked for the model's policy is broken. Models that do not fit below
    the limits of this system end the start.
    """
    record.required = is_required(registry.config, record)
    if record.error:
        record.refused = True
        _LOG.error("plugin %s: %s", record.reference.label, record.error)
        return
    try:
        await _serve(registry, record)
    except LimitError as error:
        registry.abort(error)


async def serve_plugin(registry: ModelRegistry, record: PluginRecord) -> None:
    """Import the plugin in a worker and have its models served; an error that it had stands until it is."""
    try:
        await _serve(registry, record)
    except LimitError as error:
        _failed(registry, record, error)


async def _serve(registry: ModelRegistry, record: PluginRecord) -> None:
    """Raises LimitError for models that would leave clients no descriptors."""
    try:
        plugin = await registry.importer.run(record)
        try:
            check_tensors(registry, plugin.reference, plugin.models)
            check_descriptors_left(registry, plugin.models)
        except (PluginFailed, LimitError):
            plugin.worker.kill()
            raise
    except PluginFailed as error:
        _failed(registry, record, error)
        return
    record.error = ""
    _start_models(registry, record, plugin, _without_conflicts(registry, record, plugin.models))


def name_upgrade(registry: ModelRegistry, record: PluginRecord, reference: ModelReference) -> None:
    """Have the record name the plugin as it is installed by now, if one of its models is served from that."""
    if any(model.reference == reference for model in registry.models.values()):
        record.reference = reference


def _failed(registry: ModelRegistry, record: PluginRecord, error: Exception) -> None:
    record.error = str(error)
    _LOG.error("plugin %s: %s", record.reference.plugin, error)
    registry.changed()


def _start_models(
    registry: ModelRegistry, record: PluginRecord, plugin: ImportedPlugin, declarations: Sequence[ModelDeclaration]
) -> None:
    """The worker that has imported the plugin serves its first model, unless that one needs other variables."""
    first = plugin.worker
    if not declarations:
        if not record.error:
            _LOG.info("plugin %s: none of its models is enabled", record.reference.plugin)
        first.dismiss()
    for position, declaration in enumerate(declarations):
        record.models.append(declaration.name)
        mine = first if position == 0 else None
        if mine is not None and registry.launch_of(record.reference, declaration, mine.number) != mine.launch:
            mine.dismiss()
            mine = None
        registry.start(record.reference, declaration, mine)


def _without_conflicts(
    registry: ModelRegistry, record: PluginRecord, declarations: Sequence[ModelDeclaration]
) -> list[ModelDeclaration]:
    """Of two models of one name and version neither is served: which plugin is imported first is chance."""
    new = [ProvidedModel(record.reference, declaration) for declaration in declarations]
    conflicts = {each.key: each for each in model_conflicts([*registry.provided(), *new])}
    left = []
    for each in new:
        served = registry.models.get(each.key)
        if served is None:
            left.append(each.declaration)
            continue
        conflict = conflicts[each.key]
        record.error = conflict.short_explanation
        # Not at once: the task that holds its worker, and releases it, may not have begun.
        asyncio.get_running_loop().call_soon(served.give_up, conflict.explanation)
    return left


def check_descriptors_left(registry: ModelRegistry, declarations: Sequence[ModelDeclaration]) -> None:
    """Raises LimitError for models that would leave clients no descriptors beside what is served."""
    served = [model.declaration for model in registry.models.values() if not model.error]
    models = [*served, *declarations]
    check_descriptors(Demand.of((worker_count(registry.config, model), model.slots) for model in models))


def check_tensors(registry: ModelRegistry, reference: ModelReference, declarations: Sequence[ModelDeclaration]) -> None:
    """Versions of one name share Triton's configuration, so PluginFailed is raised for one with other tensors."""
    for declaration in declarations:
        subject = f"{ProvidedModel(reference, declaration)} of {reference.label}"
        for other in registry.models.values():
            if other.name != declaration.name or other.declaration.version == declaration.version:
                continue
            if not _alike(other.declaration, declaration):
                raise PluginFailed(
                    f"{subject} has other inputs, outputs or another max_batch_size than version "
                    f"{other.declaration.version} of {other.reference.label}; give it another name"
                )


def _alike(one: ModelDeclaration, other: ModelDeclaration) -> bool:
    return (one.inputs, one.outputs, one.max_batch_size) == (other.inputs, other.outputs, other.max_batch_size)
