"""`pytriton-host config`: every effective value and its source; imports the hook plugins."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pytriton_plugins.cli.environment import inspected, loaded_config, loaded_hooks, only_our_output
from pytriton_plugins.cli.help import SettingsCommand
from pytriton_plugins.cli.options import host_options
from pytriton_plugins.cli.output.messages import explain

if TYPE_CHECKING:
    from pytriton_plugins.config.host_config import HostConfig
    from pytriton_plugins.hooks.manager import HookManager
    from pytriton_plugins.host.repositories.found import FoundRepository
    from pytriton_plugins.model.declaration import ModelDeclaration


@click.command("config", cls=SettingsCommand)
@click.option("--models", "show_models", is_flag=True, help="Import each plugin and show the settings of its models.")
@click.option("--json", "as_json", is_flag=True, help='Print JSON with "schema": 1.')
@host_options
@click.pass_context
def command(ctx: click.Context, /, show_models: bool, as_json: bool, **options: object) -> None:
    """Show every effective setting and its source.

    The settings are those that 'serve' would have with the same options. A source is an option, a variable, the
    configuration file, a hook plugin or the default. The tables of models, plugins and environments follow, and with
    --models the effective settings of each model.
    """
    config = loaded_config(ctx)
    broken: dict[str, str] = {}
    with only_our_output():
        hooks = loaded_hooks(config, broken)
        rows = list(effective(config, hooks))
        if show_models:
            rows += effective_models(config, hooks)
    for error in broken.values():
        explain(error)
    if as_json:
        settings = [{"setting": name, "value": value, "source": source} for name, value, source in rows]
        click.echo(json.dumps({"schema": 1, "settings": settings}, indent=2, default=str))
        return
    from pytriton_plugins.cli.output.tables import print_table

    print_table(("setting", "value", "set by"), [(name, _text(value), source) for name, value, source in rows])


def effective(config: HostConfig, hooks: HookManager) -> Iterator[tuple[str, Any, str]]:
    """Name as in the file, value and source: first of the settings, then of the tables."""
    from pytriton_plugins.config.settings import SECRETS, SETTINGS

    chosen = _chosen_by_hooks(config, hooks)
    for setting in SETTINGS:
        value, source = getattr(config, setting.name), config.sources.get(setting.name, "default")
        if setting.name in chosen:
            value, source = chosen[setting.name]
        yield setting.key, "(secret)" if value and setting.name in SECRETS else value, source
    for name, model in config.tables.models.items():
        for key, value in _given(model).items():
            key = key.replace("shm_", "shm.")
            yield f"models.{name}.{key}", value, _in_file(config, f"models.{name}.{key}")
    for name, table in config.tables.plugins.items():
        for key, value in table.items():
            yield f"plugins.{name}.{key}", value, _in_file(config, f"plugins.{name}.{key}")
    for number, environment in enumerate(config.tables.environments):
        yield f"environments[{number}].python", environment.python, _in_file(config, "environments")


def effective_models(config: HostConfig, hooks: HookManager) -> Iterator[tuple[str, Any, str]]:
    """The effective settings of every model: the file overrides an option, hooks, and the author's declaration."""
    plugins, repositories = inspected(config, hooks)
    for each in plugins:
        if each.error:
            yield f"plugin {each.reference.label}", each.error, "broken"
        for model in each.models:
            for name, value, source in _effective_model(config, hooks, model):
                yield f"{model.name} {model.version}: {name}", value, source

    for repository in repositories:
        yield from _effective_repository(config, repository)


def _effective_repository(config: HostConfig, repository: FoundRepository) -> Iterator[tuple[str, Any, str]]:
    label = f"repository {repository.reference.label}"
    if repository.error:
        yield label, repository.error, "broken"
    for model in repository.models:
        if model.error:
            yield f"model {model.name} of {label}", model.error, "broken"
        for version in model.versions:
            name, value, source = _required(config, model.name, repository.reference.names)
            yield f"{model.name} {version}: {name}", value, source


def _required(config: HostConfig, model: str, repository: frozenset[str] = frozenset()) -> tuple[str, Any, str]:
    """``repository``: the names of the repository that has the model."""
    from pytriton_plugins.config.overrides import is_required_of

    if model in config.optional:
        source = config.sources["optional"]
    elif config.model(model).required is not None:
        source = _in_file(config, f"models.{model}")
    else:
        source = "default" if repository.isdisjoint(config.optional) else config.sources["optional"]
    return "required", is_required_of(config, model, repository), source


def _effective_model(config: HostConfig, hooks: HookManager, model: ModelDeclaration) -> Iterator[tuple[str, Any, str]]:
    from pytriton_plugins.config.overrides import worker_count

    given = config.model(model.name)
    file = _in_file(config, f"models.{model.name}")
    author = "@infer_func"
    option = config.sources.get("workers", "default")
    yield "workers", worker_count(config, model), file if given.workers else option if config.workers else author
    yield "timeout", model.timeout or None, file if given.timeout else author
    yield "max_batch_size", model.max_batch_size, file if given.max_batch_size else author
    yield "triton_config", model.triton_config, file if given.triton_config else author
    yield "calls", tuple(map(str, model.calls)), author
    yield _required(config, model.name)
    yield from _effective_policy(config, hooks, model, file)


def _effective_policy(
    config: HostConfig, hooks: HookManager, model: ModelDeclaration, file: str
) -> Iterator[tuple[str, Any, str]]:
    import attrs

    from pytriton_plugins.config.resolver import default_policy, policy_of

    policy, default = policy_of(config, hooks, model), default_policy(config, model)
    for name, value in attrs.asdict(policy.value).items():
        source = config.sources.get(f"shm_{name}", "default")
        if getattr(config.model(model.name), f"shm_{name}", None) is not None:
            source = file
        elif value != getattr(default, name):
            source = f"hook plugin {policy.plugin}"
        yield f"shm.{name}", value, source


def _in_file(config: HostConfig, key: str) -> str:
    return f"{config.tables.path}: {key}"


def _chosen_by_hooks(config: HostConfig, hooks: HookManager) -> dict[str, tuple[Any, str]]:
    """The values of hook plugins for settings without another source."""
    from pytriton_plugins.host.config_parts import port_settings
    from pytriton_plugins.host.preflight import chosen_drain
    from pytriton_plugins.host.system.ports import wanted_ports
    from pytriton_plugins.values import ServerOptions

    chosen = _chosen_server(config, hooks)
    ports, plugin = wanted_ports(port_settings(config), hooks)
    for name in ("http_port", "grpc_port", "metrics_port"):
        port = getattr(ports, name.removesuffix("_port"))
        if port != getattr(config, name):
            chosen[name] = port, f"hook plugin {plugin}"
    drain, plugin = chosen_drain(config, hooks)
    chosen |= {name: (value, f"hook plugin {plugin}") for name, value in drain.items()}
    options = hooks.edit_server_options(ServerOptions(config.server_options))
    if options.plugin:
        chosen["server_options"] = options.value.items, f"hook plugin {options.plugin}"
    return chosen


def _chosen_server(config: HostConfig, hooks: HookManager) -> dict[str, tuple[Any, str]]:
    from pytriton_plugins.errors import ServerError
    from pytriton_plugins.hooks.manager import BUILT_IN
    from pytriton_plugins.host.triton.locate import find_tritonserver

    if config.tritonserver is not None:
        return {}
    try:
        found = find_tritonserver(None, hooks)
    except ServerError:
        return {}
    by = found.source.removeprefix("named by ")
    return {"tritonserver": (found.path, "default" if by == BUILT_IN else f"hook plugin {by}")}


def _given(model: object) -> Mapping[str, Any]:
    """The keys that a model's table sets."""
    import attrs

    values = attrs.asdict(model)  # type: ignore[arg-type]
    return {key: value for key, value in values.items() if value not in (None, {}) and not (key == "enabled" and value)}


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join("=".join(item) if isinstance(item, tuple) else str(item) for item in value) or "-"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (dict, list)):
        return json.dumps(value, default=str)
    return "-" if value is None else str(value) if isinstance(value, Path) else f"{value}"
