"""What became of each plugin: its models, or the reason why there are none; runs in the host's event loop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import attrs

from pytriton_plugins.config.host_config import HostConfig
from pytriton_plugins.config.overrides import configured, worker_count
from pytriton_plugins.discovery.references import ModelReference
from pytriton_plugins.discovery.selection import warn_of_unknown_models
from pytriton_plugins.errors import ConfigError, LimitError
from pytriton_plugins.host.supervision.supervisor import ServedModel
from pytriton_plugins.host.system.resource_limits import Demand, check_descriptors
from pytriton_plugins.host.workers.process import WorkerFailed, WorkerProcess
from pytriton_plugins.model.declaration import ModelDeclaration, wrong_name

if TYPE_CHECKING:
    from pytriton_plugins.host.supervision.registry import Roster

_LOG = logging.getLogger("pytriton.host")


@attrs.define
class PluginRecord:
    """One plugin from its first worker on. ``error`` is empty while nothing went wrong."""

    reference: ModelReference
    """As it is served: an upgrade that cannot be served changes nothing."""
    models: list[str] = attrs.field(factory=list)
    error: str = ""
    refused: bool = False
    """It has its error from the configuration, which its own files cannot mend."""
    required: bool = True
    declared: frozenset[str] = frozenset()
    """The models that it has, enabled or not."""
    files: tuple[str, ...] = ()
    """What it was imported from, for `--reload`."""


async def start_plugin(roster: Roster, record: PluginRecord) -> None:
    """Have the plugin's models served, unless it is refused already; a failure is written into ``record``.

    Raises HookError when a hook plugin that is asked for the model's policy is broken. What does not fit below the
    limits of this system ends the start.
    """
    record.required = not record.reference.names & set(roster.config.optional)
    if record.error:
        record.refused = True
        _LOG.error("plugin %s: %s", record.reference.label, record.error)
        return
    try:
        await _serve_plugin(roster, record)
    except LimitError as error:
        roster.abort(error)


async def serve_plugin(roster: Roster, record: PluginRecord) -> None:
    """Import the plugin in a worker and have its models served; an error that it had stands until it is."""
    try:
        await _serve_plugin(roster, record)
    except LimitError as error:
        _failed(roster, record, error)


async def _serve_plugin(roster: Roster, record: PluginRecord) -> None:
    """Raises LimitError for models that would leave clients no descriptors."""
    worker: WorkerProcess | None = None
    try:
        worker, declared = await roster.imported(record)
        record.files = worker.files
        tell_notes(record.reference, worker)
        record.declared = frozenset(declaration.name for declaration in declared)
        declarations = enabled(roster.config, declared)
        refuse_other_tensors(roster, record.reference, declarations)
        refuse_too_many(roster, declarations)
    except (WorkerFailed, ConfigError, LimitError, OSError) as error:
        if worker is not None:
            worker.kill()
        if isinstance(error, LimitError):
            raise
        _failed(roster, record, error)
        return
    record.error = ""
    _start_models(roster, record, _without_conflicts(roster, record, declarations), worker)


def tell_notes(reference: ModelReference, worker: WorkerProcess) -> None:
    """Log the warnings about the plugin's import."""
    for note in worker.notes:
        _LOG.warning("plugin %s: %s", reference.plugin, note)


def take_up(roster: Roster, record: PluginRecord, reference: ModelReference) -> None:
    """Let the record name the plugin as it is installed by now, if one of its models is served from that."""
    if any(model.reference == reference for model in roster.models.values()):
        record.reference = reference


def _failed(roster: Roster, record: PluginRecord, error: Exception) -> None:
    reason = f"no worker can be started: {error.strerror}" if isinstance(error, OSError) else str(error)
    record.error = reason
    _LOG.error("plugin %s: %s", record.reference.plugin, reason)
    roster.changed()


def _start_models(
    roster: Roster, record: PluginRecord, declarations: list[ModelDeclaration], first: WorkerProcess
) -> None:
    """The worker that has imported the plugin serves its first model, unless that one needs other variables."""
    if not declarations:
        if not record.error:
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


def warn_of_unknown_names(config: HostConfig, records: Sequence[PluginRecord]) -> None:
    """Names in the configuration that no model has; a plugin without models may be the one that has them."""
    if all(record.declared for record in records):
        models = frozenset().union(*(record.declared for record in records))
        plugins = frozenset().union(*(record.reference.names for record in records))
        warn_of_unknown_models(config.tables.models, config.optional, models, plugins)


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


def conflict(declaration: ModelDeclaration, references: Iterable[ModelReference]) -> str:
    """What is said of a model that several plugins have: all of them by name, and what settles it."""
    plugins = sorted({f"{each.label} ({each.value})" for each in references})
    return (
        f"model {declaration.name} version {declaration.version} comes from {' and '.join(plugins)}; disable one of "
        "them in pytriton-host.toml or with --no-plugin, or give one of the models another name="
    )


def shared(declaration: ModelDeclaration, first: ModelReference) -> str:
    """What is said of each further plugin with the model, beside `conflict`, which is told once."""
    return f"its model {declaration.name} version {declaration.version} comes from {first.label} as well; see there"


def _without_conflicts(
    roster: Roster, record: PluginRecord, declarations: list[ModelDeclaration]
) -> list[ModelDeclaration]:
    """Of two models of one name and version neither is served: which plugin is imported first is chance."""
    left = []
    for declaration in declarations:
        other = roster.models.get((declaration.name, declaration.version))
        if other is None:
            left.append(declaration)
            continue
        record.error = shared(declaration, other.reference)
        # Not at once: the task that holds its worker, and lets go of it, may not have begun.
        said = conflict(declaration, (other.reference, record.reference))
        asyncio.get_running_loop().call_soon(other.give_up, said)
    return left


def refuse_too_many(roster: Roster, declarations: Sequence[ModelDeclaration]) -> None:
    """Raises LimitError for models that would leave clients no descriptors beside what is served."""
    served = [model.declaration for model in roster.models.values() if not model.error]
    models = [*served, *declarations]
    check_descriptors(Demand.of((worker_count(roster.config, model), model.slots) for model in models))


def refuse_other_tensors(roster: Roster, reference: ModelReference, declarations: list[ModelDeclaration]) -> None:
    """Versions of one name share Triton's configuration, so they must declare the same tensors."""
    for declaration in declarations:
        here = f"model {declaration.name} version {declaration.version} of {reference.label}"
        for other in roster.models.values():
            if other.name != declaration.name or other.declaration.version == declaration.version:
                continue
            if not _alike(other.declaration, declaration):
                raise WorkerFailed(
                    f"{here} has other inputs, outputs or another max_batch_size than version "
                    f"{other.declaration.version} of {other.reference.label}; give it another name"
                )


def _alike(one: ModelDeclaration, other: ModelDeclaration) -> bool:
    return (one.inputs, one.outputs, one.max_batch_size) == (other.inputs, other.outputs, other.max_batch_size)
