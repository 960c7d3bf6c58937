"""What became of each plugin: its models, or the reason why there are none; runs in the host's event loop."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import attrs

from pytriton_plugins.discovery.entry_points import ModelReference
from pytriton_plugins.host.served_model import ServedModel
from pytriton_plugins.host.worker import Worker, WorkerFailed
from pytriton_plugins.models import ModelDeclaration, wrong_name

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
    """Import the plugin in a worker and have its models served; a failure is written into ``record``.

    Raises HookError when a hook plugin that is asked for the model's policy is broken.
    """
    record.required = record.reference.plugin not in host.config.optional
    try:
        worker = host.new_worker(record.reference)
    except OSError as error:
        record.error = f"no worker can be started: {error.strerror}"
        _LOG.error("plugin %s: %s", record.reference.plugin, record.error)
        host.changed()
        return
    try:
        declarations = await worker.declared(host.config.import_timeout)
        _check_names(declarations)
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
    model = ServedModel(host, reference, declaration, host.policy_of(declaration))
    host.models[declaration.name, declaration.version] = model
    model.start(first)


def _check_names(declarations: list[ModelDeclaration]) -> None:
    """Names and versions become paths here, whatever the worker's side thought of them."""
    for declaration in declarations:
        problem = wrong_name(declaration.name)
        if not problem and (type(declaration.version) is not int or declaration.version < 1):
            problem = f"{declaration.name} has the version {declaration.version!r}; write a whole number from 1 up"
        if problem:
            raise WorkerFailed(f"model {problem}")


def _refuse_conflicts(host: Host, reference: ModelReference, declarations: list[ModelDeclaration]) -> None:
    """Neither of two models of one name and version may win in silence: the later one is refused, by name of both.

    Versions of one name share Triton's configuration, so they must declare the same tensors.
    """
    for declaration in declarations:
        here = f"model {declaration.name} version {declaration.version} of {reference.label}"
        for other in host.models.values():
            if other.name != declaration.name:
                continue
            there = f"version {other.declaration.version} of {other.reference.label}"
            if other.declaration.version == declaration.version:
                raise WorkerFailed(
                    f"{here} is not served: {there} is already; uninstall one of them or name only one on the "
                    "command line"
                )
            if not _alike(other.declaration, declaration):
                raise WorkerFailed(
                    f"{here} has other inputs, outputs or another max_batch_size than {there}; give it another name"
                )


def _alike(one: ModelDeclaration, other: ModelDeclaration) -> bool:
    return (one.inputs, one.outputs, one.max_batch_size) == (other.inputs, other.outputs, other.max_batch_size)
