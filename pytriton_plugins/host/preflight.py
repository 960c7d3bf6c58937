"""Checks and choices before anything is started: hook plugins, model plugins, options; `check` uses them too."""

from __future__ import annotations

import logging
from typing import Any

import attrs

from pytriton_plugins.config.host_config import DRAIN_SETTINGS, HostConfig, check_drain
from pytriton_plugins.config.problems import Problems
from pytriton_plugins.discovery.entry_points import find_hooks, look_into
from pytriton_plugins.discovery.references import HookReference
from pytriton_plugins.discovery.selection import check_requirements, select_hooks
from pytriton_plugins.errors import ConfigError, HookError
from pytriton_plugins.hooks.manager import HookManager
from pytriton_plugins.host.config_parts import port_settings, server_settings
from pytriton_plugins.host.repositories.finding import read_repositories, warn_of_unused_tables
from pytriton_plugins.host.repositories.found import FoundRepository
from pytriton_plugins.host.supervision.records import PluginRecord, find_plugins
from pytriton_plugins.host.system.network import served_address
from pytriton_plugins.host.system.ports import choose_ports
from pytriton_plugins.host.system.resource_limits import Demand, check_limits
from pytriton_plugins.host.triton.backends import backend_folders
from pytriton_plugins.host.triton.locate import FoundServer, find_tritonserver
from pytriton_plugins.host.triton.options import ServerSettings, check_known_options, check_server_options
from pytriton_plugins.values import Ports, ServerOptions

_LOG = logging.getLogger("pytriton.host")


@attrs.frozen
class PreparedStart:
    """All that a start needs, checked: the configuration as hook plugins leave it, and what was found and chosen."""

    config: HostConfig
    hooks: HookManager
    records: list[PluginRecord]
    repositories: list[FoundRepository]
    found: FoundServer
    ports: Ports


def prepare(config: HostConfig) -> PreparedStart:
    """Check everything that can be checked before a child is started; the error has a line for each problem.

    The steps after one that fails are checked too.
    """
    problems = Problems()
    with problems:
        check_server_options(server_settings(config))
    hooks = _hooks_of(config, problems)
    records = problems.attempt(lambda: find_plugins(config, hooks))
    found = problems.attempt(lambda: find_tritonserver(config.tritonserver, hooks))
    repositories = problems.attempt(lambda: _found_repositories(config, found))
    with problems:
        _check_not_empty(config, records, repositories)
    records, repositories = records or [], repositories or []
    if found is not None:
        with problems:
            config = with_server_options(config, hooks, found)
    with problems:
        config = with_drain(config, hooks)
    with problems:
        check_limits(Demand.of_plugins(sum(not record.error for record in records), config.workers or 1))
    reachable = problems.attempt(lambda: with_address(config))
    ports = problems.attempt(lambda: choose_ports(port_settings(reachable), hooks)) if reachable else None
    problems.tell()
    assert reachable is not None
    assert found is not None
    assert ports is not None
    return PreparedStart(reachable, hooks, records, repositories, found, ports)


def _hooks_of(config: HostConfig, problems: Problems) -> HookManager:
    """The hook plugins that the configuration leaves; a broken one is a problem unless those are to be skipped."""
    with problems:
        look_into(config.plugins_dir)
    with problems:
        check_requirements(config.require)

    broken: dict[HookReference, HookError] = {}
    references = problems.attempt(lambda: select_hooks(find_hooks(), config.disable)) or []
    hooks = HookManager.of_references(references, config.tables.plugins, broken.__setitem__)
    for _, error in sorted(broken.items(), key=lambda item: item[0].label):
        if config.skip_broken_hooks:
            _LOG.error("%s; skipped, as --skip-broken-hooks asks", error)
        else:
            problems.add_error(error)
    return hooks


def _found_repositories(config: HostConfig, server: FoundServer | None) -> list[FoundRepository]:
    repositories = read_repositories(config, backend_folders(server.path) if server is not None else ())
    warn_of_unused_tables(config, [model for each in repositories for model in each.models])
    return repositories


def _check_not_empty(
    config: HostConfig, records: list[PluginRecord] | None, repositories: list[FoundRepository] | None
) -> None:
    """Raises ConfigError where nothing is to be served; None: what there is has an error of its own."""
    if records == [] and repositories == [] and not config.may_attach and not config.only_targets:
        raise ConfigError(
            "there is nothing to serve: no model plugin is installed; install one, or name a file: "
            "pytriton-host serve model.py"
        )


def with_address(config: HostConfig) -> HostConfig:
    """``config`` with the IP address to listen on in place of a name; raises ConfigError where there is none."""
    return attrs.evolve(config, address=served_address(config.address, config.server_options))


def with_server_options(config: HostConfig, hooks: HookManager, found: FoundServer) -> HostConfig:
    """``config`` with the options of tritonserver as hook plugins edit them; what is configured stays as it is.

    Raises ConfigError for what is configured and this tritonserver does not know, HookError for what no plugin may add.
    """
    check_known_options(found, config.server_options)
    answer = hooks.edit_server_options(ServerOptions(config.server_options))
    if answer.value.items == config.server_options:
        return config
    configured = {name for name, _ in config.server_options}
    added = tuple(item for item in answer.value.items if item[0] not in configured)
    edited = attrs.evolve(config, server_options=(*config.server_options, *added))
    try:
        _check_options(attrs.evolve(server_settings(config), options=added), found)
    except ConfigError as error:
        where = f"hook plugin {answer.plugin}: pytriton_edit_server_options"
        raise HookError(*[f"{where}: {problem}" for problem in error.problems]) from None
    return edited


def _check_options(settings: ServerSettings, found: FoundServer) -> None:
    check_server_options(settings)
    check_known_options(found, settings.options)


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
    settings = ", ".join(f"{name.replace('_', '-')} is {value:g} s" for name, value in chosen.items())
    _LOG.info("%s, as hook plugin %s answered", settings, plugin)
    return drained


def chosen_drain(config: HostConfig, hooks: HookManager) -> tuple[dict[str, Any], str]:
    """The settings of the drain that a hook plugin changes, by name, and that plugin.

    A timeout that it leaves as it is follows the grace period that it answers.
    """
    answer = hooks.choose_drain(config.drain)
    answered = {DRAIN_SETTINGS[field]: value for field, value in attrs.asdict(answer.value).items()}
    changes = _changed(config, answered)
    if changes and "drain_timeout" not in changes:
        chosen = attrs.evolve(config, **changes).with_default_drain()
        changes |= _changed(config, {"drain_timeout": chosen.drain_timeout})
    return {name: changes[name] for name in answered if name in changes}, answer.plugin


def _changed(config: HostConfig, values: dict[str, Any]) -> dict[str, Any]:
    """Those that differ from what is configured and may."""
    fixed = config.fixed
    return {name: value for name, value in values.items() if name not in fixed and value != getattr(config, name)}
