"""Imports model plugins in workers: their models, or the reason why there are none."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import attrs

from pytriton_plugins.errors import ConfigError
from pytriton_plugins.host.supervision.records import PluginFailed
from pytriton_plugins.host.system.resource_limits import shortage
from pytriton_plugins.host.workers.worker import WorkerFailed
from pytriton_plugins.model.declaration import wrong_name

if TYPE_CHECKING:
    from pytriton_plugins.config.resolver import ModelResolver
    from pytriton_plugins.discovery.references import ModelReference
    from pytriton_plugins.host.supervision.records import PluginRecord
    from pytriton_plugins.host.workers.process import WorkerProcess
    from pytriton_plugins.host.workers.start_queue import StartQueue
    from pytriton_plugins.model.declaration import ModelDeclaration

_LOG = logging.getLogger("pytriton.host")


class WorkerFactory(Protocol):
    """Starts workers."""

    def new_worker(self, reference: ModelReference) -> WorkerProcess:
        """A worker that begins to import the plugin; raises OSError or HookError."""


@attrs.frozen
class ImportedPlugin:
    """A plugin as ``worker`` has imported it. ``models`` are those that are enabled, as configured."""

    reference: ModelReference
    worker: WorkerProcess
    models: list[ModelDeclaration]


class PluginImporter:
    """Imports each plugin in a worker of its own, and records what came of it."""

    def __init__(self, resolver: ModelResolver, turns: StartQueue, workers: WorkerFactory) -> None:
        self._resolver = resolver
        self._turns = turns
        self._workers = workers

    async def run(self, record: PluginRecord, reference: ModelReference | None = None) -> ImportedPlugin:
        """Import the plugin of ``record`` when its turn has come; raises PluginFailed with why not, or HookError.

        ``reference``: the plugin as it is installed by now, if that is not the record's.
        """
        plugin = reference or record.reference
        worker: WorkerProcess | None = None
        try:
            worker, declared = await self._import_in_worker(record, plugin)
            record.files = worker.files
            record.declared = frozenset(declaration.name for declaration in declared)
            _log_notes(plugin, worker)
            return ImportedPlugin(plugin, worker, enabled(self._resolver, declared))
        except OSError as error:
            raise PluginFailed(f"no worker can be started: {shortage(error)}") from error
        except (WorkerFailed, ConfigError) as error:
            if worker is not None:
                worker.dismiss()
            raise PluginFailed(*error.problems) from error

    async def _import_in_worker(
        self, record: PluginRecord, plugin: ModelReference
    ) -> tuple[WorkerProcess, list[ModelDeclaration]]:
        """A worker that has imported the plugin, and its models; raises WorkerFailed, OSError or HookError."""
        async with self._turns.turn(record) as turn:
            worker = self._workers.new_worker(plugin)
            turn.watch(worker.pid)
            try:
                return worker, await worker.declared(self._resolver.import_timeout)
            except WorkerFailed:
                worker.kill()
                raise


def enabled(resolver: ModelResolver, declared: Sequence[ModelDeclaration]) -> list[ModelDeclaration]:
    """Those that are served, as configured; raises WorkerFailed or ConfigError for what cannot be."""
    check_names(declared)
    return resolver.enabled(declared)


def check_names(declarations: Sequence[ModelDeclaration]) -> None:
    """Names and versions become paths here, so the worker's word for them is not enough."""
    for declaration in declarations:
        problem = wrong_name(declaration.name)
        if not problem and (type(declaration.version) is not int or declaration.version < 1):
            problem = (
                f"model {declaration.name}: invalid version {declaration.version!r}; write a whole number from 1 up"
            )
        if problem:
            raise WorkerFailed(problem)


def _log_notes(reference: ModelReference, worker: WorkerProcess) -> None:
    """The warnings about the plugin's import."""
    for note in worker.notes:
        _LOG.warning("plugin %s: %s", reference.plugin, note)
