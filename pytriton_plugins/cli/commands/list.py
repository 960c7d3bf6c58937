"""`pytriton-host list`: the installed plugins, from their metadata; model plugins are imported only with --models."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from pytriton_plugins.cli.environment import inspected, loaded_config, loaded_hooks, only_our_output
from pytriton_plugins.cli.options import config_option

if TYPE_CHECKING:
    from typing import TypeAlias

    from pytriton_plugins.config.host_config import HostConfig
    from pytriton_plugins.discovery.references import ModelReference, Reference, RepositoryReference
    from pytriton_plugins.host.inspection import InspectedPlugin
    from pytriton_plugins.host.repositories.found import FoundRepository
    from pytriton_plugins.model.declaration import ModelDeclaration

    Looked: TypeAlias = InspectedPlugin | FoundRepository


@click.command("list")
@click.option("--models", "show_models", is_flag=True, help="Import each model plugin and show its models.")
@click.option("--json", "as_json", is_flag=True, help='Print JSON with "schema": 1.')
@config_option("config")
@click.pass_context
def command(ctx: click.Context, /, show_models: bool, as_json: bool, **options: object) -> None:
    """Show the installed model and hook plugins.

    Plugins of other environments are shown as well, and no plugin is imported. With --models each model plugin is
    imported in a process of its own, and its models or its error are shown.
    """
    from pytriton_plugins.discovery.entry_points import find_hooks

    config = loaded_config(ctx)
    models, repositories, hooks = _found_models(config), _found_repositories(config), find_hooks()
    with only_our_output():
        plugins, read = inspected(config, loaded_hooks(config, {})) if show_models else ([], [])
    found: dict[str, Looked] = {each.reference.place: each for each in plugins}
    found |= {each.reference.place: each for each in read}
    if as_json:
        plain = [[_plain(item) | _models(found.get(item.place)) for item in items] for items in (models, repositories)]
        content = {"schema": 1, "models": plain[0], "repositories": plain[1], "hooks": list(map(_plain, hooks))}
        click.echo(json.dumps(content, indent=2))
        return
    if models or repositories or hooks:
        _print_table({"models": models, "repository": repositories, "hooks": hooks}, found, looked=show_models)
    if not models and not repositories:
        click.echo(
            f"no model plugin is installed in {sys.executable}; "
            "install one, or serve a file: pytriton-host serve model.py"
        )


def _found_models(config: HostConfig) -> list[ModelReference]:
    from pytriton_plugins.discovery.entry_points import find_models, look_into
    from pytriton_plugins.discovery.environments import find_models_of

    look_into(config.plugins_dir)
    found = find_models()
    for environment in config.tables.environments:
        found += find_models_of(environment.python, found)
    return found


def _found_repositories(config: HostConfig) -> list[RepositoryReference]:
    from pytriton_plugins.discovery.repositories import configured_repository
    from pytriton_plugins.host.repositories.finding import installed_repositories

    return [*map(configured_repository, config.model_repositories), *installed_repositories(config)]


def _models(inspected: Looked | None) -> dict[str, Any]:
    if inspected is None:
        return {}
    from pytriton_plugins.model.callee import callees_in_json

    models = [
        {"model": model.name, "version": model.version, "calls": callees_in_json(model.calls)}
        for model in _served(inspected)
    ]
    return {"declares": models, "error": _error(inspected)}


def _served(inspected: Looked) -> list[ModelDeclaration]:
    """The models that would be served; an ensemble calls what it contains."""
    from pytriton_plugins.host.inspection import InspectedPlugin

    if isinstance(inspected, InspectedPlugin):
        return list(inspected.models)
    return [node for model in inspected.models if not model.error for node in model.nodes()]


def _error(inspected: Looked) -> str:
    """Of the plugin, or of the repository and each model in it."""
    from pytriton_plugins.host.inspection import InspectedPlugin

    if isinstance(inspected, InspectedPlugin) or inspected.error:
        return inspected.error
    return "; ".join(f"model {model.name}: {model.error}" for model in inspected.models if model.error)


def _plain(item: Reference) -> dict[str, Any]:
    plain = {"plugin": item.plugin, "reference": item.value, "distribution": item.distribution, "version": item.version}
    python = getattr(item, "python", "")
    return plain | ({"python": python} if python else {})


def _print_table(found: Mapping[str, Sequence[Reference]], inspected: dict[str, Looked], *, looked: bool) -> None:
    """One row for each plugin of each kind in ``found``."""
    from pytriton_plugins.cli.output.tables import print_table

    headings = ["plugin", "provides", "reference", "distribution", "version"]
    items = [(kind, item) for kind, references in found.items() for item in references]
    rows = [[item.plugin, kind, item.value, item.distribution, item.version] for kind, item in items]
    pythons = [getattr(item, "python", "") for _, item in items]
    if any(pythons):
        headings.append("python")
        rows = [[*row, python] for row, python in zip(rows, pythons, strict=True)]
    if looked:
        headings.append("models")
        texts = ["" if kind == "hooks" else _text(inspected.get(item.place)) for kind, item in items]
        rows = [[*row, text] for row, text in zip(rows, texts, strict=True)]
    print_table(headings, rows)


def _text(inspected: Looked | None) -> str:
    if inspected is None:
        return "not served: the configuration leaves it out"
    from pytriton_plugins.host.inspection import InspectedPlugin

    error = _error(inspected)
    broken = f"broken: {error}" if error else ""
    served = [] if broken and isinstance(inspected, InspectedPlugin) else _served(inspected)
    return "; ".join(filter(None, [", ".join(map(_name, served)), broken]))


def _name(model: ModelDeclaration) -> str:
    calls = f" (calls {', '.join(map(str, model.calls))})" if model.calls else ""
    return f"{model.name} {model.version}{calls}"
