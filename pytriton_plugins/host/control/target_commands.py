"""Serves files, modules and callables that are named while the daemon serves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytriton_plugins.discovery.selection import references_of
from pytriton_plugins.errors import ControlError, DiscoveryError
from pytriton_plugins.host.control.imported import Imported
from pytriton_plugins.host.control.model_commands import ModelCommands, label_of
from pytriton_plugins.host.supervision.records import PluginRecord
from pytriton_plugins.model.call_graph import in_load_order

if TYPE_CHECKING:
    from pytriton_plugins.discovery.references import ModelReference
    from pytriton_plugins.host.control.server import Progress
    from pytriton_plugins.model.declaration import ModelDeclaration


class TargetCommands(ModelCommands):
    """The commands for models, and one for targets."""

    async def load_target(self, target: str, progress: Progress) -> list[str]:
        """Serve every model of ``target``; each replaces the model of its name and version, if there is one."""
        async with self._alone(progress):
            record = self._record_for(_reference_of(target))
            async with self._imported(record, progress) as imported:
                declarations = imported.plugin.models
                if not declarations:
                    raise ControlError(f"plugin {target}: none of its models is enabled")
                self._admission.check_tensors(imported.reference, declarations)
                self._admission.check_descriptors(declarations)
                self._admission.check_calls(declarations)
                ordered = in_load_order(declarations)
                return [await self._put(record, imported, each, progress) for each in ordered]

    def _record_for(self, reference: ModelReference) -> PluginRecord:
        known = (record for record in self._registry.records if record.reference.place == reference.place)
        return next(known, None) or PluginRecord(reference)

    async def _put(
        self, record: PluginRecord, imported: Imported, declaration: ModelDeclaration, progress: Progress
    ) -> str:
        registry, label = self._registry, label_of(declaration)
        progress(f"{label}: setting up its workers")
        first = self._take_worker(imported, declaration)
        old = registry.models.get((declaration.name, declaration.version))
        if old is not None:
            result = await self._serve_again(old, imported.reference, declaration, first)
        else:
            why_not = await registry.admit(imported.reference, declaration, first, set())
            if why_not:
                raise ControlError(f"{label}: {why_not}")
            result = f"{label}: serving"
        self._note(record)
        registry.changed()
        return result

    def _note(self, record: PluginRecord) -> None:
        """Have each record name the models that are served from it; a target without any has no record."""
        registry = self._registry
        record.error = ""
        if record not in registry.records:
            registry.records.append(record)
        for each in registry.records:
            models = [model for model in registry.models.values() if model.reference.place == each.reference.place]
            each.models = [model.name for model in models]
        registry.records = [
            each for each in registry.records if each.models or each.error or each.reference.distribution
        ]


def _reference_of(target: str) -> ModelReference:
    try:
        return references_of([target])[0]
    except DiscoveryError as error:
        raise ControlError(*error.problems) from None
