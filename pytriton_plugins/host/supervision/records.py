"""The model plugins that there are, and a record of each."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from pytriton_plugins.discovery.conflicts import plugin_conflicts
from pytriton_plugins.discovery.entry_points import find_hooks, find_models, find_repositories
from pytriton_plugins.discovery.environments import find_models_of
from pytriton_plugins.discovery.namesakes import is_module
from pytriton_plugins.discovery.references import ModelReference
from pytriton_plugins.discovery.selection import (
    is_target,
    references_of,
    select_models,
    warn_of_unknown,
    warn_of_unknown_models,
    warn_of_unknown_tables,
)
from pytriton_plugins.errors import ConfigError, DiscoveryError, HookError, PytritonPluginsError
from pytriton_plugins.values import HostStatus

if TYPE_CHECKING:
    from pytriton_plugins.config.host_config import HostConfig
    from pytriton_plugins.hooks.manager import HookManager

_LOG = logging.getLogger("pytriton.host")


class PluginFailed(PytritonPluginsError):
    """A plugin cannot be imported, or what it declares cannot be served."""


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
    """The files that it was imported from, for `--reload`."""


def find_plugins(config: HostConfig, hooks: HookManager) -> list[PluginRecord]:
    """A record for each target and model plugin that the configuration leaves; conflicts have their error."""
    warn_of_unknown_tables(config.tables.plugins, find_hooks())
    targets = _targets(config)
    if not config.serves_installed:
        return targets
    places = {record.reference.place for record in targets}
    return [*targets, *(record for record in _installed(config, hooks) if record.reference.place not in places)]


def _targets(config: HostConfig) -> list[PluginRecord]:
    try:
        return [PluginRecord(reference) for reference in references_of(config.targets)] if config.targets else []
    except DiscoveryError as error:
        raise ConfigError(*error.problems) from error


def _installed(config: HostConfig, hooks: HookManager) -> list[PluginRecord]:
    gathered = hooks.add_models(HostStatus(address=config.address))
    if gathered.broken and not config.skip_broken_hooks:
        raise HookError(*[f"{failure}; fix or uninstall it" for failure in gathered.broken])
    for failure in gathered.broken:
        _LOG.error("%s; skipped, as --skip-broken-hooks asks", failure)
    found: list[ModelReference] = [answer.value for answer in gathered.answers]
    for environment in config.tables.environments:
        found += find_models_of(environment.python, found)
    repositories = find_repositories()
    warn_of_unknown(config.disable, [*found, *find_hooks(), *repositories])
    selected = select_models(found, config.plugins, config.disable, repositories)
    conflicts = plugin_conflicts(selected)
    return [PluginRecord(reference, error=conflicts.get(reference.label, "")) for reference in selected]


def find_candidates(
    config: HostConfig, hooks: HookManager, records: Sequence[PluginRecord], name: str
) -> list[PluginRecord]:
    """The plugins that may have a model or are called ``name``: ``records``, those installed since, and a target.

    Those that ``name`` names, else the target that it is, else those without models, then the newly installed ones,
    then all others, then a module of that name. Takes its time: it reads metadata and asks hook plugins. Raises
    ConfigError or HookError when discovery fails as it would at a start, DiscoveryError for a target that is not there.
    """
    places = {record.reference.place for record in records}
    found = [record for record in find_plugins(config, hooks) if record.reference.place not in places]
    new = [_added(config, record) for record in found]
    every = [
        *(record for record in records if not record.models),
        *new,
        *(record for record in records if record.models),
    ]
    named = [record for record in every if name in record.reference.names]
    if named:
        return named
    targets = references_of([name]) if is_target(name) or is_module(name) else []
    added = [_added(config, PluginRecord(reference)) for reference in targets]
    return added if is_target(name) else [*every, *added]


def _added(config: HostConfig, record: PluginRecord) -> PluginRecord:
    record.refused = bool(record.error)
    record.required = is_required(config, record)
    return record


def is_required(config: HostConfig, record: PluginRecord) -> bool:
    """Whether the daemon is not ready without this plugin."""
    return not record.reference.names & set(config.optional)


async def as_installed(reference: ModelReference) -> ModelReference:
    """``reference`` with the version that its distribution has by now: it may have been upgraded since the start."""

    def find() -> ModelReference:
        # Reading metadata takes its time, and another interpreter has to be asked for its own.
        found = find_models_of(Path(reference.python), []) if reference.python else find_models()
        return next((each for each in found if each.place == reference.place), reference)

    return await asyncio.to_thread(find) if reference.distribution else reference


def warn_of_unknown_names(config: HostConfig, records: Sequence[PluginRecord], others: Iterable[str] = ()) -> None:
    """Log names in the configuration that no model has, once all plugins are imported: a broken one may have them.

    ``others``: names of repositories and their models. Those of targets that are added later are not known yet.
    """
    if not config.only_targets and all(record.declared for record in records):
        models = frozenset(others).union(*(record.declared for record in records))
        plugins = frozenset().union(*(record.reference.names for record in records))
        warn_of_unknown_models(config.tables.models, config.optional, models, plugins)
