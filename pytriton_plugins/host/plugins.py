"""What became of each plugin: its models, or the reason why there are none; runs in the host's event loop."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import attrs

from pytriton_plugins.discovery.entry_points import ModelReference
from pytriton_plugins.errors import PytritonPluginsError
from pytriton_plugins.host.served_model import ServedModel
from pytriton_plugins.host.worker import Worker, WorkerFailed
from pytriton_plugins.models import ModelDeclaration

if TYPE_CHECKING:
    from pytriton_plugins.host.daemon import Host

_LOG = logging.getLogger("pytriton.host")


@attrs.define
class PluginRecord:
    """One plugin from its first worker on. ``error`` is empty while nothing went wrong."""

    reference: ModelReference
    models: list[str] = attrs.field(factory=list)
    error: str = ""
    required: bool = True


async def start_plugin(host: Host, record: PluginRecord) -> None:
    """Import the plugin in a worker and have its models served; a failure is written into ``record``."""
    record.required = record.reference.plugin not in host.config.optional
    worker = host.new_worker(record.reference)
    try:
        declarations = await worker.declared(host.config.import_timeout)
        _refuse_conflicts(host, record.reference, declarations)
    except WorkerFailed as error:
        worker.kill()
        record.error = str(error)
        _LOG.error("plugin %s: %s", record.reference.plugin, error)
        host.changed()
        return
    for position, declaration in enumerate(declarations):
        record.models.append(declaration.name)
        _start_model(host, record.reference, declaration, worker if position == 0 else None)


def _start_model(host: Host, reference: ModelReference, declaration: ModelDeclaration, first: Worker | None) -> None:
    try:
        policy = host.policy_of(declaration)
    except PytritonPluginsError as error:
        raise WorkerFailed(str(error)) from error
    model = ServedModel(host, reference, declaration, policy)
    host.models[declaration.name, declaration.version] = model
    model.start(first)


def _refuse_conflicts(host: Host, reference: ModelReference, declarations: list[ModelDeclaration]) -> None:
    """Neither of two models of one name and version may win in silence: the later one is refused, by name of both."""
    for declaration in declarations:
        other = host.models.get((declaration.name, declaration.version))
        if other is not None:
            raise WorkerFailed(
                f"model {declaration.name} version {declaration.version} is already served from "
                f"{other.reference.label}, so {reference.label} is not; uninstall one of them or name only one "
                "on the command line"
            )
