"""Swaps plugins whose files have changed, for `serve --reload`."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from pytriton_plugins.discovery.sources import source_files
from pytriton_plugins.errors import ConfigError
from pytriton_plugins.host.supervision.records import PluginFailed, as_installed

if TYPE_CHECKING:
    from pytriton_plugins.host.supervision.admission import Admission
    from pytriton_plugins.host.supervision.plugins import ImportedPlugin
    from pytriton_plugins.host.supervision.records import PluginRecord
    from pytriton_plugins.host.supervision.registry import ModelRegistry
    from pytriton_plugins.host.supervision.supervisor import SwapResult
    from pytriton_plugins.host.workers.process import WorkerProcess

_LOG = logging.getLogger("pytriton.host")
POLL_INTERVAL = 0.25
"""Seconds between two looks at the files; a change counts once nothing has changed for one more."""

_SERVED = "the change is served"
_OLD_SERVES = "the old one serves on"

Stamps = dict[str, tuple[int, int] | None]


class Reloader:
    """Looks at the files of every plugin. A fresh worker imports a changed one, which is served only if that works."""

    def __init__(self, registry: ModelRegistry, admission: Admission) -> None:
        self._registry = registry
        self._admission = admission
        self._seen: dict[str, Stamps] = {}

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            for record in self._registry.records:
                now = _stamps(files_of(record))
                before = self._seen.setdefault(record.reference.place, now)
                if record.refused or not (record.declared or record.error):
                    continue  # the latter: it is imported for the first time
                if not _differ(before, now):
                    self._seen[record.reference.place] = now
                elif await self._is_quiet(record, now):
                    async with self._registry.changing:
                        await self._reload(record)
                    self._seen[record.reference.place] = {**_stamps(files_of(record)), **now}
            await asyncio.sleep(POLL_INTERVAL)

    async def _is_quiet(self, record: PluginRecord, now: Stamps) -> bool:
        """An editor may be halfway through."""
        await asyncio.sleep(POLL_INTERVAL)
        return _stamps(files_of(record)) == now

    async def _reload(self, record: PluginRecord) -> None:
        name = record.reference.plugin
        if not record.models:
            _LOG.info("plugin %s has changed", name)
            await self._admission.serve(record)
            return
        try:
            plugin = await self._registry.importer.run(record, await as_installed(record.reference))
        except (PluginFailed, ConfigError, OSError) as error:  # the latter two: its interpreter cannot be asked
            _LOG.error("plugin %s has changed and cannot be served as it is: %s; %s", name, error, _OLD_SERVES)
            return
        _LOG.info("plugin %s has changed", name)
        await self._serve(plugin)
        self._registry.name_upgrade(record, plugin.reference)

    async def _serve(self, plugin: ImportedPlugin) -> None:
        reference = plugin.reference
        first: WorkerProcess | None = plugin.worker
        models = self._registry.models
        served = {key: model for key, model in models.items() if model.reference.place == reference.place}
        for declaration in plugin.models:
            model = served.pop((declaration.name, declaration.version), None)
            if model is None:
                _LOG.warning("model %s is new in %s; restart to serve it", declaration.name, reference.plugin)
                continue
            if model.unloaded:
                continue
            worker, first = first, None
            if model.declaration == declaration and not model.error:
                result = _described(await model.swap(reference, worker))
            elif not await self._registry.replace(model, reference, declaration, worker):
                result = _SERVED
            else:
                result = "the change is not served either" if model.error else _OLD_SERVES
            _LOG.info("model %s: %s", declaration.name, result)
        if first is not None:
            first.dismiss()
        for model in served.values():
            _LOG.warning(
                "model %s is gone from %s and is served as it was; restart", model.name, model.reference.plugin
            )


def _described(result: SwapResult) -> str:
    done, live = result
    if not live:
        return "it has no worker now; its next one serves the change"
    if done and done < live:
        return f"{done} of its {live} workers serve the change, and the others serve on as they were"
    return _SERVED if done else _OLD_SERVES


def files_of(record: PluginRecord) -> Sequence[str]:
    """The files that the plugin was imported from, or would be if the import failed."""
    return record.files or source_files(record.reference)


def _differ(before: Stamps, now: Stamps) -> bool:
    return any(before[file] != now[file] for file in before.keys() & now.keys())


def _stamps(files: Iterable[str]) -> Stamps:
    return {file: _stamp(file) for file in files}


def _stamp(file: str) -> tuple[int, int] | None:
    try:
        status = os.stat(file)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size
