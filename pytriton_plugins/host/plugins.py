"""What became of each plugin: its models, or the reason why there are none; runs in the host's event loop."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import attrs

from pytriton_plugins.config import HostConfig
from pytriton_plugins.discovery.references import ModelReference
from pytriton_plugins.errors import ConfigError
from pytriton_plugins.host.model_settings import configured
from pytriton_plugins.host.served_model import ServedModel
from pytriton_plugins.host.worker import Worker, WorkerFailed
from pytriton_plugins.models import ModelDeclaration, wrong_name

if TYPE_CHECKING:
    from pytriton_plugins.host.roster import Roster

_LOG = logging.getLogger("pytriton.host")


@attrs.define
class PluginRecord:
    """One plugin from its first worker on. ``error`` is empty while nothing went wrong."""

    reference: ModelReference
    models: list[str] = attrs.field(factory=list)
    error: str = ""
    required: bool = True
    files: tuple[str, ...] = ()
    """What it was imported from, for `--reload`."""


async def start_plugin(roster: Roster, record: PluginRecord) -> None:
    """Import the plugin in a worker and have its models served; a failure is written into ``record``.

    Raises HookError when a hook plugin that is asked for the model's policy is broken.
    """
    record.required = not record.reference.names & set(roster.config.optional)
    if record.error:
        _LOG.error("plugin %s: %s", record.reference.label, record.error)
        return
    worker: Worker | None = None
    try:
        worker = roster.new_worker(record.reference)
        declared = await worker.declared(roster.config.import_timeout)
        record.files = worker.files
        declarations = enabled(roster.config, declared)
        _refuse_conflicts(roster, record.reference, declarations)
    except (WorkerFailed, ConfigError, OSError) as error:
        if worker is not None:
            worker.kill()
        _failed(roster, record, error)
        return
    _start_models(roster, record, declarations, worker)


def _failed(roster: Roster, record: PluginRecord, error: Exception) -> None:
    reason = f"no worker can be started: {error.strerror}" if isinstance(error, OSError) else str(error)
    record.error = reason
    _LOG.error("plugin %s: %s", record.reference.plugin, reason)
    roster.changed()


def _start_models(roster: Roster, record: PluginRecord, declarations: list[ModelDeclaration], first: Worker) -> None:
    """The worker that has imported the plugin serves its first model, unless that one needs other variables."""
    if not declarations:
        _LOG.info("plugin %s: none of its models is enabled", record.reference.plugin)
        first.dismiss()
    for position, declaration in enumerate(declarations):
        record.models.append(declaration.name)
        mine = first if position == 0 else None
        if mine is not None and roster.launch_of(record.reference, declaration, mine.number) != mine.launch:
            mine.dismiss()
            mine = None
        model = ServedModel(roster, record.reference, declaration)
        roster.models[declaration.name, declaration.version] = model
        model.start(mine)


def enabled(config: HostConfig, declared: list[ModelDeclaration]) -> list[ModelDeclaration]:
    """Those that are served, as configured; raises WorkerFailed or ConfigError for what cannot be."""
    check_names(declared)
    return [configured(config, each) for each in declared if config.model(each.name).enabled]


def check_names(declarations: list[ModelDeclaration]) -> None:
    """Names and versions become paths here, whatever the worker's side thought of them."""
    for declaration in declarations:
        problem = wrong_name(declaration.name)
        if not problem and (type(declaration.version) is not int or declaration.version < 1):
            problem = f"{declaration.name} has the version {declaration.version!r}; write a whole number from 1 up"
        if problem:
            raise WorkerFailed(f"model {problem}")


def _refuse_conflicts(roster: Roster, reference: ModelReference, declarations: list[ModelDeclaration]) -> None:
    """Neither of two models of one name and version may win in silence: the later one is refused, by name of both.

    Versions of one name share Triton's configuration, so they must declare the same tensors.
    """
    for declaration in declarations:
        here = f"model {declaration.name} version {declaration.version} of {reference.label}"
        for other in roster.models.values():
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
