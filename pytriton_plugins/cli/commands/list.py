"""`pytriton-host list`: the installed plugins, from their metadata; model plugins are imported only with --models."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from pytriton_plugins.cli.environment import inspected, loaded_config, loaded_hooks, only_our_output
from pytriton_plugins.cli.options import config_option

if TYPE_CHECKING:
    from pytriton_plugins.config.host_config import HostConfig
    from pytriton_plugins.discovery.references import ModelReference, Reference
    from pytriton_plugins.host.inspection import InspectedPlugin
    from pytriton_plugins.model.declaration import ModelDeclaration


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
    models, hooks = _found_models(config), find_hooks()
    with only_our_output():
        looked_at = inspected(config, loaded_hooks(config, {})) if show_models else []
    found = {each.reference.place: each for each in looked_at}
    if as_json:
        plain = [_plain(item) | _models(found.get(item.place)) for item in models]
        click.echo(json.dumps({"schema": 1, "models": plain, "hooks": list(map(_plain, hooks))}, indent=2))
        return
    if models or hooks:
        _print_table(models, hooks, found)
    if not models:
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


def _models(inspected: InspectedPlugin | None) -> dict[str, Any]:
    if inspected is None:
        return {}
    from pytriton_plugins.model.callee import callees_in_json

    models = [
        {"model": model.name, "version": model.version, "calls": callees_in_json(model.calls)}
        for model in inspected.models
    ]
    return {"declares": models, "error": inspected.error}


def _plain(item: Reference) -> dict[str, Any]:
    plain = {"plugin": item.plugin, "reference": item.value, "distribution": item.distribution, "version": item.version}
    python = getattr(item, "python", "")
    return plain | ({"python": python} if python else {})


def _print_table(
    models: Sequence[ModelReference], hooks: Sequence[Reference], inspected: dict[str, InspectedPlugin]
) -> None:
    from pytriton_plugins.cli.output.tables import print_table

    headings = ["plugin", "provides", "reference", "distribution", "version"]
    rows = [
        [item.plugin, kind, item.value, item.distribution, item.version]
        for kind, references in (("models", models), ("hooks", hooks))
        for item in references
    ]
    pythons = [item.python for item in models] + [""] * len(hooks)
    if any(pythons):
        headings.append("python")
        rows = [[*row, python] for row, python in zip(rows, pythons, strict=True)]
    if inspected:
        headings.append("models")
        texts = [_text(inspected.get(item.place)) for item in models] + [""] * len(hooks)
        rows = [[*row, text] for row, text in zip(rows, texts, strict=True)]
    print_table(headings, rows)


def _text(inspected: InspectedPlugin | None) -> str:
    if inspected is None:
        return "not served: the configuration leaves it out"
    names = ", ".join(map(_name, inspected.models))
    return f"broken: {inspected.error}" if inspected.error else names


def _name(model: ModelDeclaration) -> str:
    calls = f" (calls {', '.join(map(str, model.calls))})" if model.calls else ""
    return f"{model.name} {model.version}{calls}"
