"""Imports model plugins in children to see what they hold, and serves nothing; for `check` and `list --models`."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import attrs

from pytriton_plugins.config.resolver import ModelResolver
from pytriton_plugins.discovery.conflicts import ProvidedModel, model_conflicts
from pytriton_plugins.errors import HookError
from pytriton_plugins.host.config_parts import launch_settings
from pytriton_plugins.host.repositories.checks import checked_beside
from pytriton_plugins.host.supervision.plugins import PluginImporter
from pytriton_plugins.host.supervision.records import PluginFailed, warn_of_unknown_names
from pytriton_plugins.host.system.child import kill_children
from pytriton_plugins.host.workers.launching import launch_of
from pytriton_plugins.host.workers.process import WorkerProcess
from pytriton_plugins.host.workers.start_queue import start_queue
from pytriton_plugins.host.workers.worker import NoListener

if TYPE_CHECKING:
    from pytriton_plugins.config.host_config import HostConfig
    from pytriton_plugins.discovery.references import ModelReference
    from pytriton_plugins.hooks.manager import HookManager
    from pytriton_plugins.host.repositories.found import FoundRepository
    from pytriton_plugins.host.supervision.records import PluginRecord
    from pytriton_plugins.host.workers.launching import LaunchSettings
    from pytriton_plugins.model.declaration import ModelDeclaration

_END_TIMEOUT = 0.5
"""Seconds for the end of killed workers."""


@attrs.frozen
class InspectedPlugin:
    """A plugin and the models that would be served of it, as configured, or the reason why there are none."""

    reference: ModelReference
    models: tuple[ModelDeclaration, ...] = ()
    error: str = ""


def inspect(
    config: HostConfig, hooks: HookManager, records: Sequence[PluginRecord], others: Iterable[str] = ()
) -> list[InspectedPlugin]:
    """Import every plugin in a child of its own and return what came of it, in the order of ``records``.

    ``others``: the names of repositories and their models, which the configuration may have as well.
    """
    return asyncio.run(_inspect(config, hooks, records, others))


async def _inspect(
    config: HostConfig, hooks: HookManager, records: Sequence[PluginRecord], others: Iterable[str]
) -> list[InspectedPlugin]:
    workers = _Workers(launch_settings(config), hooks)
    importer = PluginImporter(ModelResolver(config, hooks), start_queue(config.start_parallelism), workers)
    try:
        inspected = await asyncio.gather(*(_inspected(importer, record) for record in records))
    finally:
        await kill_children(_END_TIMEOUT)
    warn_of_unknown_names(config, records, others)
    return _with_conflicts(inspected)


def inspect_beside(
    plugins: Sequence[InspectedPlugin], repositories: Sequence[FoundRepository]
) -> tuple[list[InspectedPlugin], list[FoundRepository]]:
    """Both with the errors that come of each other: a name of two models, an ensemble without one of its models."""
    places = {model.name: f"plugin {each.reference.label}" for each in plugins for model in each.models}
    checked, shared = checked_beside(repositories, places)
    return [_with_shared(each, shared) for each in plugins], checked


def _with_shared(plugin: InspectedPlugin, shared: Mapping[str, str]) -> InspectedPlugin:
    error = next((shared[model.name] for model in plugin.models if model.name in shared), "")
    return plugin if plugin.error or not error else attrs.evolve(plugin, error=error)


class _Workers:
    """Starts workers that only import."""

    def __init__(self, settings: LaunchSettings, hooks: HookManager) -> None:
        self._settings = settings
        self._hooks = hooks
        self._numbers = itertools.count(1)

    def new_worker(self, reference: ModelReference) -> WorkerProcess:
        number = next(self._numbers)
        launch = launch_of(self._settings, self._hooks, reference, None, number)
        return WorkerProcess(number, reference, launch, NoListener())


async def _inspected(importer: PluginImporter, record: PluginRecord) -> InspectedPlugin:
    if record.error:
        return InspectedPlugin(record.reference, error=record.error)
    try:
        plugin = await importer.run(record)
    except (PluginFailed, HookError) as error:
        return InspectedPlugin(record.reference, error=str(error))
    plugin.worker.kill()
    return InspectedPlugin(record.reference, tuple(plugin.models))


def _with_conflicts(plugins: Sequence[InspectedPlugin]) -> list[InspectedPlugin]:
    """A model that several plugins declare is reported for each of them, in full for the first."""
    provided = [ProvidedModel(plugin.reference, model) for plugin in plugins for model in plugin.models]
    errors: dict[str, str] = {}
    for conflict in model_conflicts(provided):
        first, *others = (each.reference for each in conflict.providers)
        errors[first.place] = conflict.explanation
        errors |= {other.place: conflict.short_explanation for other in others}
    return [
        attrs.evolve(plugin, error=errors[plugin.reference.place]) if plugin.reference.place in errors else plugin
        for plugin in plugins
    ]
