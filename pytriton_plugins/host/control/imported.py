"""A plugin that a command has had imported."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytriton_plugins.discovery.references import ModelReference
    from pytriton_plugins.host.supervision.plugins import ImportedPlugin
    from pytriton_plugins.host.workers.process import WorkerProcess


class Imported:
    """An imported plugin, and its worker until a model takes it."""

    def __init__(self, plugin: ImportedPlugin) -> None:
        self.plugin = plugin
        self.reference: ModelReference = plugin.reference
        self.worker: WorkerProcess | None = plugin.worker
