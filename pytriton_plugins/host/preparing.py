"""What is found before anything is started: hook plugins, model plugins, options; in the host, and in `check`."""

from __future__ import annotations

import logging
from typing import Any

import attrs

from pytriton_plugins.config import DRAIN_SETTINGS, HostConfig, check_drain
from pytriton_plugins.discovery.catalogue import catalogue
from pytriton_plugins.discovery.entry_points import find_hooks, look_into
from pytriton_plugins.discovery.environments import find_models_of
from pytriton_plugins.discovery.references import HookReference, ModelReference
from pytriton_plugins.discovery.selection import (
    check_requirements,
    conflicts,
    select_hooks,
    select_models,
    warn_of_unknown,
    warn_of_unknown_tables,
)
from pytriton_plugins.errors import ConfigError, DiscoveryError, HookError
from pytriton_plugins.hooks.manager import HookManager
from pytriton_plugins.host.command_line import check_known_options, check_server_options
from pytriton_plugins.host.locate import FoundServer
from pytriton_plugins.host.plugins import PluginRecord
from pytriton_plugins.values import HostStatus, ServerOptions

_LOG = logging.getLogger("pytriton.host")


def hooks_of(config: HostConfig) -> HookManager:
    """The hook plugins that the configuration leaves; HookError for a broken one unless those are to be skipped."""
    look_into(config.plugins_dir)
    check_requirements(config.require)

    def skip(reference: HookReference, error: HookError) -> None:
        _LOG.error("%s; skipped, as --skip-broken-hooks asks", error)

    references = select_hooks(find_hooks(), config.disable)
    return HookManager.of_references(references, config.tables.plugins, skip if config.skip_broken_hooks else None)


def plugin_records(config: HostConfig, hooks: HookManager) -> list[PluginRecord]:
    """A record for each target, or for each model plugin that the configuration leaves; conflicts have their error."""
    warn_of_unknown_tables(config.tables.plugins, find_hooks())
    if config.targets:
        try:
            return [PluginRecord(reference) for reference in catalogue(config.targets)]
        except DiscoveryError as error:
            raise ConfigError(str(error)) from error
    gathered = hooks.add_models(HostStatus(address=config.address))
    for failure in gathered.broken:
        if not config.skip_broken_hooks:
            raise HookError(f"{failure}; fix or uninstall it")
        _LOG.error("%s; skipped, as --skip-broken-hooks asks", failure)
    found: list[ModelReference] = [answer.value for answer in gathered.answers]
    for environment in config.tables.environments:
        found += find_models_of(environment.python, found)
    warn_of_unknown(config.disable, [*found, *find_hooks()])
    selected = select_models(found, config.plugins, config.disable)
    said = conflicts(selected)
    return [PluginRecord(reference, error=said.get(reference.label, "")) for reference in selected]


def with_server_options(config: HostConfig, hooks: HookManager, found: FoundServer) -> HostConfig:
    """``config`` with the options of tritonserver as hook plugins edit them; what is configured stays as it is.

    Raises ConfigError, or HookError, for one that the daemon or this tritonserver cannot be run with.
    """
    _check_options(config, found)
    answer = hooks.edit_server_options(ServerOptions(config.server_options))
    if answer.value.items == config.server_options:
        return config
    configured = {name for name, _ in config.server_options}
    added = tuple(item for item in answer.value.items if item[0] not in configured)
    edited = attrs.evolve(config, server_options=(*config.server_options, *added))
    try:
        _check_options(edited, found)
    except ConfigError as error:
        raise HookError(f"hook plugin {answer.plugin}: pytriton_edit_server_options: {error}") from None
    return edited


def _check_options(config: HostConfig, found: FoundServer) -> None:
    check_server_options(config)
    check_known_options(found, config)


def with_drain(config: HostConfig, hooks: HookManager) -> HostConfig:
    """``config`` with the drain that hook plugins choose; what is configured stays as it is.

    Raises ConfigError for a stop that does not fit into the grace period, HookError where a plugin has a part in that.
    """
    chosen, plugin = chosen_drain(config, hooks)
    drained = attrs.evolve(config, **chosen)
    if not chosen:
        check_drain(drained.drain)
        return drained
    remedy = f"raise {'the grace period that it answers' if 'grace_period' in chosen else '--grace-period'}"
    try:
        check_drain(drained.drain, remedy)
    except ConfigError as error:
        raise HookError(f"hook plugin {plugin}: pytriton_choose_drain: {error}") from None
    said = ", ".join(f"{name.replace('_', '-')} is {value:g} s" for name, value in chosen.items())
    _LOG.info("%s, as hook plugin %s answered", said, plugin)
    return drained


def chosen_drain(config: HostConfig, hooks: HookManager) -> tuple[dict[str, Any], str]:
    """The settings of the drain that a hook plugin changes, by name, and that plugin."""
    answer = hooks.choose_drain(config.drain)
    answered = {DRAIN_SETTINGS[field]: value for field, value in attrs.asdict(answer.value).items()}
    changes = {
        name: value for name, value in answered.items() if name not in config.fixed and value != getattr(config, name)
    }
    return changes, answer.plugin
