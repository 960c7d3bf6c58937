"""Imports model plugins in children to see what they hold, and serves nothing; for `check` and `list --models`."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Sequence

import attrs

from pytriton_plugins.config.host_config import HostConfig
from pytriton_plugins.discovery.references import ModelReference
from pytriton_plugins.errors import ConfigError, HookError
from pytriton_plugins.hooks.manager import HookManager
from pytriton_plugins.host.config_parts import launch_settings
from pytriton_plugins.host.supervision.plugins import (
    PluginRecord,
    conflict,
    enabled,
    shared,
    tell_notes,
    warn_of_unknown_names,
)
from pytriton_plugins.host.system.child import kill_children
from pytriton_plugins.host.workers.launching import launch_of
from pytriton_plugins.host.workers.process import NoListener, WorkerFailed, WorkerProcess
from pytriton_plugins.host.workers.start_queue import StartQueue, imported, start_queue
from pytriton_plugins.model.declaration import ModelDeclaration

_END_PATIENCE = 0.5


@attrs.frozen
class Inspected:
    """A plugin and the models that would be served of it, as configured, or the reason why there are none."""

    reference: ModelReference
    models: tuple[ModelDeclaration, ...] = ()
    error: str = ""


def inspect(
    config: HostConfig,
    hooks: HookManager,
    records: Sequence[PluginRecord],
    on_done: Callable[[Inspected], object] = lambda done: None,
) -> list[Inspected]:
    """Import every plugin in a child of its own and return what came of it, in the order of ``records``."""
    return asyncio.run(_inspect(config, hooks, records, on_done))


async def _inspect(
    config: HostConfig, hooks: HookManager, records: Sequence[PluginRecord], on_done: Callable[[Inspected], object]
) -> list[Inspected]:
    numbers = itertools.count(1)
    turns = start_queue(config.start_parallelism)

    async def one(record: PluginRecord) -> Inspected:
        if record.error:
            return Inspected(record.reference, error=record.error)
        try:
            done = Inspected(record.reference, await _declared(config, hooks, turns, record, next(numbers)))
        except (WorkerFailed, ConfigError, HookError) as error:
            done = Inspected(record.reference, error=str(error))
        except OSError as error:
            done = Inspected(record.reference, error=f"no worker can be started: {error.strerror}")
        on_done(done)
        return done

    try:
        inspected = await asyncio.gather(*map(one, records))
    finally:
        await kill_children(_END_PATIENCE)
    warn_of_unknown_names(config, records)
    return _with_conflicts(inspected)


async def _declared(
    config: HostConfig, hooks: HookManager, turns: StartQueue, record: PluginRecord, number: int
) -> tuple[ModelDeclaration, ...]:
    def start() -> WorkerProcess:
        launch = launch_of(launch_settings(config), hooks, record.reference, None, number)
        return WorkerProcess(number, record.reference, launch, NoListener())

    worker, declared = await imported(turns, record, start, config.import_timeout)
    try:
        record.declared = frozenset(declaration.name for declaration in declared)
        tell_notes(record.reference, worker)
        return tuple(enabled(config, declared))
    finally:
        worker.kill()


def _with_conflicts(inspected: Sequence[Inspected]) -> list[Inspected]:
    """A model that two plugins declare is reported for both, in full for the first."""
    places: dict[tuple[str, int], list[Inspected]] = {}
    for each in inspected:
        for model in each.models:
            places.setdefault((model.name, model.version), []).append(each)
    said: dict[str, str] = {}
    for several in places.values():
        if len(several) > 1:
            model = next(model for model in several[0].models if places[model.name, model.version] is several)
            first, *others = [each.reference for each in several]
            said[first.place] = conflict(model, [first, *others])
            said |= {other.place: shared(model, first) for other in others}
    return [
        attrs.evolve(each, error=said[each.reference.place]) if each.reference.place in said else each
        for each in inspected
    ]
