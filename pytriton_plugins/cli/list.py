"""`pytriton-host list`: the installed plugins from their metadata; nothing of theirs is imported."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pytriton_plugins.discovery.entry_points import Reference


@click.command("list")
@click.option("--json", "as_json", is_flag=True, help='Print JSON with "schema": 1.')
def command(as_json: bool) -> None:
    """Show the installed model and hook plugins; none of them is imported."""
    from pytriton_plugins.discovery.entry_points import find_hooks, find_models

    models, hooks = find_models(), find_hooks()
    if as_json:
        document = {"schema": 1, "models": _plain(models), "hooks": _plain(hooks)}
        click.echo(json.dumps(document, indent=2))
        return
    if models or hooks:
        _print_table(models, hooks)
    if not models:
        click.echo(
            f"no model plugin is installed in {sys.executable}; "
            "install one, or serve a file: pytriton-host serve model.py"
        )


def _plain(references: Sequence[Reference]) -> list[dict[str, str]]:
    return [
        {"plugin": item.plugin, "reference": item.value, "distribution": item.distribution, "version": item.version}
        for item in references
    ]


def _print_table(models: Sequence[Reference], hooks: Sequence[Reference]) -> None:
    from pytriton_plugins.cli.tables import print_table

    rows = [
        (item.plugin, kind, item.value, item.distribution, item.version)
        for kind, references in (("models", models), ("hooks", hooks))
        for item in references
    ]
    print_table(("plugin", "provides", "reference", "distribution", "version"), rows)
