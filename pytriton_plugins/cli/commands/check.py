"""`pytriton-host check`: whether `serve` would work, one result a line; imports every plugin in a child process."""

from __future__ import annotations

import contextlib
import json
import platform
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import click

from pytriton_plugins.cli.commands import COMMANDS
from pytriton_plugins.cli.environment import loaded_config, loaded_hooks, only_our_output, warn_of_variables
from pytriton_plugins.cli.help import SettingsCommand
from pytriton_plugins.cli.options import host_options
from pytriton_plugins.cli.plugin_commands import added_commands
from pytriton_plugins.errors import PytritonPluginsError, ShmError
from pytriton_plugins.text import printable

if TYPE_CHECKING:
    from pathlib import Path

    from pytriton_plugins.config.host_config import HostConfig
    from pytriton_plugins.hooks.manager import HookManager
    from pytriton_plugins.host.repositories.found import FoundRepository
    from pytriton_plugins.host.supervision.records import PluginRecord
    from pytriton_plugins.model.declaration import ModelDeclaration


class Check(NamedTuple):
    """The result of one check."""

    ok: bool
    subject: str
    detail: str


@click.command("check", cls=SettingsCommand)
@click.argument("targets", metavar="[TARGET]...", nargs=-1, type=click.Path())
@click.option("--json", "as_json", is_flag=True, help='Print JSON with "schema": 1.')
@host_options
@click.pass_context
def command(ctx: click.Context, /, targets: tuple[str, ...], as_json: bool, **options: object) -> int:
    """Check whether 'serve' would work, without serving.

    Takes the targets and options of 'serve'. Checks the configuration, the interpreter, hook plugins, tritonserver,
    ports and memory, and imports every model plugin in a process of its own. Each result is a line; the exit code is 1
    if one of them is bad.
    """
    config = loaded_config(ctx, targets)
    warn_of_variables()
    checks: list[Check] = []
    pending = run_checks(config)
    while (check := _next(pending)) is not None:
        checks.append(check)
        if not as_json:
            word = click.style("ok ", "green") if check.ok else click.style("bad", "red")
            click.echo(f"{word}  {check.subject}: {printable(check.detail)}")
    if as_json:
        click.echo(json.dumps({"schema": 1, "checks": [check._asdict() for check in checks]}, indent=2))
    return 0 if all(check.ok for check in checks) else 1


def _next(pending: Iterator[Check]) -> Check | None:
    with only_our_output():
        return next(pending, None)


def run_checks(config: HostConfig) -> Iterator[Check]:
    """Yields each result as soon as it is known."""
    from pytriton_plugins.cli.hook_probe import hanging_or_crashing
    from pytriton_plugins.host.supervision.records import find_plugins

    yield _interpreter()
    broken = hanging_or_crashing(config)
    hooks = loaded_hooks(config, broken)
    yield from _hook_plugins(hooks, broken)
    yield from _attempt("requirements", lambda: _requirements(config))
    yield from _attempt("tritonserver", lambda: _server(config, hooks))
    yield from _attempt("drain", lambda: _drain(config, hooks))
    yield from _attempt("ports", lambda: _ports(config, hooks))
    records: list[PluginRecord] = []
    repositories: list[FoundRepository] = []
    try:
        repositories = _repositories(config, hooks)
        records = find_plugins(config, hooks)
    except PytritonPluginsError as error:
        yield from _bad("plugins", error)
    else:
        if not records and not repositories:
            yield Check(False, "plugins", "no model plugin is installed; install one, or name a file")
    yield from _models(config, hooks, records, repositories)


def _hook_plugins(hooks: HookManager, broken: dict[str, str]) -> Iterator[Check]:
    """Imported hook plugins are also asked for their commands: no other step of a start does that."""
    _, invalid = added_commands(hooks, COMMANDS)
    for label in hooks.plugins()[:-1]:
        yield Check(label not in invalid, f"hook plugin {label}", invalid.get(label, "usable"))
    for label, error in broken.items():
        subject = f"hook plugin {label}"
        yield Check(False, subject, error.removeprefix(f"{subject}: "))


def _interpreter() -> Check:
    import numpy

    return Check(
        True, "interpreter", f"Python {platform.python_version()}, numpy {numpy.__version__} ({sys.executable})"
    )


def _attempt(subject: str, look: Callable[[], str]) -> Iterator[Check]:
    try:
        yield Check(True, subject, look())
    except PytritonPluginsError as error:
        yield from _bad(subject, error)


def _bad(subject: str, error: PytritonPluginsError) -> Iterator[Check]:
    return (Check(False, subject, problem) for problem in error.problems)


def _requirements(config: HostConfig) -> str:
    from pytriton_plugins.discovery.selection import check_requirements

    check_requirements(config.require)
    return ", ".join(config.require) or "none"


def _server(config: HostConfig, hooks: HookManager) -> str:
    from pytriton_plugins.host.config_parts import server_settings
    from pytriton_plugins.host.preflight import with_server_options
    from pytriton_plugins.host.triton.locate import find_tritonserver
    from pytriton_plugins.host.triton.options import check_server_options, warn_of_server_options

    check_server_options(server_settings(config))
    found = find_tritonserver(config.tritonserver, hooks)
    warn_of_server_options(server_settings(with_server_options(config, hooks, found)))
    return f"{found.path} ({found.source})"


def _drain(config: HostConfig, hooks: HookManager) -> str:
    from pytriton_plugins.config.host_config import END_SECONDS
    from pytriton_plugins.host.preflight import with_drain

    drain = with_drain(config, hooks).drain
    parts = f"delay {drain.delay:g} + timeout {drain.timeout:g} + {END_SECONDS:g} s to end everything"
    limit = "no grace period is set" if drain.grace is None else f"within a grace period of {drain.grace:g} s"
    return f"{parts}, {limit}"


def _ports(config: HostConfig, hooks: HookManager) -> str:
    from pytriton_plugins.host.config_parts import port_settings
    from pytriton_plugins.host.preflight import with_address
    from pytriton_plugins.host.system.network import listening_ports
    from pytriton_plugins.host.system.ports import choose_ports

    config = with_address(config)
    names = {"http": "HTTP", "grpc": "gRPC", "metrics": "metrics"}
    ports = listening_ports(config.server_options, choose_ports(port_settings(config), hooks))
    free = ", ".join(f"{names[name]} {port}" for name, port in ports.items() if port is not None)
    return f"{free} on {config.address} are free"


def _repositories(config: HostConfig, hooks: HookManager) -> list[FoundRepository]:
    from pytriton_plugins.host.repositories.finding import read_repositories, warn_of_unused_tables
    from pytriton_plugins.host.triton.backends import backend_folders
    from pytriton_plugins.host.triton.locate import find_tritonserver

    backends: tuple[Path, ...] = ()
    with contextlib.suppress(PytritonPluginsError):  # it has a line of its own
        backends = backend_folders(find_tritonserver(config.tritonserver, hooks).path)
    repositories = read_repositories(config, backends)
    warn_of_unused_tables(config, [model for each in repositories for model in each.models])
    return repositories


def _models(
    config: HostConfig, hooks: HookManager, records: list[PluginRecord], repositories: list[FoundRepository]
) -> Iterator[Check]:
    from pytriton_plugins.host.inspection import inspect, inspect_beside
    from pytriton_plugins.host.repositories.found import names_of

    models: list[ModelDeclaration] = []
    plugins, read = inspect_beside(inspect(config, hooks, records, names_of(repositories)), repositories)
    for each in plugins:
        models += each.models
        names = ", ".join(f"{model.name} version {model.version}" for model in each.models)
        detail = each.error or names or "none of its models is enabled"
        yield Check(not each.error, f"plugin {each.reference.label}", detail)
    for repository in read:
        yield from _models_of(repository)
    nodes = [node for each in read for model in each.models if not model.error for node in model.nodes()]
    yield from _calls(config, models, nodes)
    yield from _limits(config, models)
    yield from _attempt("memory", lambda: _memory(config, hooks, models))


def _models_of(repository: FoundRepository) -> Iterator[Check]:
    """One line for the models that can be served, and one for each that cannot."""
    label = f"repository {repository.reference.label}"
    served = (model for model in repository.models if not model.error)
    names = [f"{model.name} version {version}" for model in served for version in model.versions]
    if repository.error or names:
        yield Check(not repository.error, label, repository.error or ", ".join(names))
    for model in repository.models:
        if model.error:
            yield Check(False, f"model {model.name} of {label}", model.error)


def _calls(config: HostConfig, models: list[ModelDeclaration], others: list[ModelDeclaration]) -> Iterator[Check]:
    """A line for each model that calls others; ``others``: those of repositories."""
    from pytriton_plugins.model.call_graph import call_problems

    for model in models:
        if model.calls:
            problems = call_problems(model, [*models, *others], lambda name: config.model(name).enabled)
            detail = "; also: ".join(problems) or f"calls {', '.join(map(str, model.calls))}"
            yield Check(not problems, f"model {model.name} version {model.version}", detail)


def _limits(config: HostConfig, models: list[ModelDeclaration]) -> Iterator[Check]:
    from pytriton_plugins.config.overrides import worker_count
    from pytriton_plugins.host.system.resource_limits import Demand, limits

    for limit in limits(Demand.of((worker_count(config, model), model.slots) for model in models)):
        yield Check(not limit.short, limit.subject, str(limit).removeprefix(f"{limit.subject}: "))


def _memory(config: HostConfig, hooks: HookManager, models: list[ModelDeclaration]) -> str:
    from pytriton_plugins.config.resolver import ModelResolver
    from pytriton_plugins.host.memory.ledger import in_mib, ledger_of
    from pytriton_plugins.host.memory.system_limits import memory_headroom

    resolver = ModelResolver(config, hooks)
    needed, free = sum(ledger_of(resolver.resolve(model)).at_start for model in models), memory_headroom()
    count = f"{len(models)} model{'' if len(models) == 1 else 's'}"
    demand = f"{in_mib(needed)} of shared memory for {count} at start, {in_mib(free)} are left"
    if config.shm_total is not None and needed > config.shm_total:
        raise ShmError(f"{demand}; shm-total is {in_mib(config.shm_total)}: raise --shm-total or lower --shm-initial")
    if needed > free:
        raise ShmError(f"{demand}; lower --shm-initial, or initial in the models' tables [models.NAME.shm]")
    return demand
