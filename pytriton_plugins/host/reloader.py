"""Swaps plugins whose files have changed, for `serve --reload`; runs in the host's event loop."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from pytriton_plugins.discovery.references import ModelReference
from pytriton_plugins.discovery.sources import source_files
from pytriton_plugins.errors import ConfigError
from pytriton_plugins.host.control.newcomers import as_installed
from pytriton_plugins.host.supervision.plugins import PluginRecord, enabled, serve_plugin, take_up, tell_notes
from pytriton_plugins.host.workers.process import WorkerFailed, WorkerProcess
from pytriton_plugins.model.declaration import ModelDeclaration

if TYPE_CHECKING:
    from pytriton_plugins.host.supervision.registry import Roster
    from pytriton_plugins.host.supervision.supervisor import Swapped

_LOG = logging.getLogger("pytriton.host")
PERIOD = 0.25
"""Seconds between two looks at the files; a change counts once nothing has changed for one more."""

_SERVED = "the change is served"
_SERVES_ON = "the old one serves on"

Stamps = dict[str, tuple[int, int] | None]


class Reloader:
    """Looks at the files of every plugin. A fresh worker imports a changed one, which is served only if that works."""

    def __init__(self, roster: Roster) -> None:
        self._roster = roster
        self._seen: dict[str, Stamps] = {}

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            for record in self._roster.records:
                now = _stamps(files_of(record))
                before = self._seen.setdefault(record.reference.place, now)
                if record.refused or not (record.declared or record.error):
                    continue  # the latter: it is imported for the first time
                if not _differ(before, now):
                    self._seen[record.reference.place] = now
                elif await self._is_quiet(record, now):
                    async with self._roster.changing:
                        await self._reload(record)
                    self._seen[record.reference.place] = {**_stamps(files_of(record)), **now}
            await asyncio.sleep(PERIOD)

    async def _is_quiet(self, record: PluginRecord, now: Stamps) -> bool:
        """An editor may be halfway through."""
        await asyncio.sleep(PERIOD)
        return _stamps(files_of(record)) == now

    async def _reload(self, record: PluginRecord) -> None:
        name = record.reference.plugin
        if not record.models:
            _LOG.info("plugin %s has changed", name)
            await serve_plugin(self._roster, record)
            return
        worker: WorkerProcess | None = None
        try:
            reference = await as_installed(record.reference)
            worker, declared = await self._roster.imported(record, reference)
            declarations = enabled(self._roster.config, declared)
        except (WorkerFailed, ConfigError, OSError) as error:
            if worker is not None:
                worker.dismiss()
            _LOG.error("plugin %s has changed and cannot be served as it is: %s; the old one serves on", name, error)
            return
        record.files = worker.files
        tell_notes(reference, worker)
        _LOG.info("plugin %s has changed", name)
        await self._serve(reference, declarations, worker)
        take_up(self._roster, record, reference)

    async def _serve(
        self, reference: ModelReference, declarations: list[ModelDeclaration], first: WorkerProcess | None
    ) -> None:
        served = {key: model for key, model in self._roster.models.items() if model.reference.place == reference.place}
        for declaration in declarations:
            model = served.pop((declaration.name, declaration.version), None)
            if model is None:
                _LOG.warning("model %s is new in %s; restart to serve it", declaration.name, reference.plugin)
                continue
            if model.unloaded:
                continue
            worker, first = first, None
            if model.declaration == declaration and not model.error:
                said = _said(await model.swap(reference, worker))
            elif not await self._roster.replace(model, reference, declaration, worker):
                said = _SERVED
            else:
                said = "the change is not served either" if model.error else _SERVES_ON
            _LOG.info("model %s: %s", declaration.name, said)
        if first is not None:
            first.dismiss()
        for model in served.values():
            _LOG.warning(
                "model %s is gone from %s and is served as it was; restart", model.name, model.reference.plugin
            )


def _said(swapped: Swapped) -> str:
    done, live = swapped
    if not live:
        return "it has no worker now; its next one serves the change"
    if done and done < live:
        return f"{done} of its {live} workers serve the change, and the others serve on as they were"
    return _SERVED if done else _SERVES_ON


def files_of(record: PluginRecord) -> Sequence[str]:
    """What the plugin was imported from; what it would be imported from if that failed, and nobody could say."""
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
