"""`pytriton-host hooks`: the plugins that implement each hook, in calling order; imports only hook plugins."""

from __future__ import annotations

import inspect
import json
from typing import TYPE_CHECKING

import click

from pytriton_plugins.cli.environment import loaded_config, loaded_hooks, only_our_output
from pytriton_plugins.cli.options import config_option

if TYPE_CHECKING:
    from pytriton_plugins.hooks.manager import HookManager


@click.command("hooks")
@click.option("--json", "as_json", is_flag=True, help='Print JSON with "schema": 1.')
@config_option("config")
@click.pass_context
def command(ctx: click.Context, /, as_json: bool, **options: object) -> int:
    """Show every hook and the plugins that implement it.

    The plugins are shown in calling order. The verb in a hook's name says how they are called: choose_ takes the first
    answer, edit_ passes one plugin's value to the next, add_ collects all answers, check_ needs all to agree, on_ only
    notifies. A broken plugin is shown with its error, and the exit code is 1.
    """
    from pytriton_plugins.hooks import specs

    config = loaded_config(ctx)
    broken: dict[str, str] = {}
    with only_our_output():
        manager = loaded_hooks(config, broken)
    names = [name for name in vars(specs) if name.startswith("pytriton_")]
    if as_json:
        click.echo(json.dumps(_document(manager, names, broken), indent=2))
        return 1 if broken else 0
    _print(manager, names, broken)
    return 1 if broken else 0


def _document(manager: HookManager, names: list[str], broken: dict[str, str]) -> dict[str, object]:
    hooks = [{"hook": name, "parameters": _parameters(name), "plugins": manager.implementers(name)} for name in names]
    return {
        "schema": 1,
        "plugins": manager.plugins(),
        "hooks": hooks,
        "broken": [{"plugin": plugin, "error": error} for plugin, error in broken.items()],
    }


def _parameters(name: str) -> list[str]:
    from pytriton_plugins.hooks import specs

    return list(inspect.signature(getattr(specs, name)).parameters)


def _print(manager: HookManager, names: list[str], broken: dict[str, str]) -> None:
    from pytriton_plugins.cli.output.tables import print_table

    rows = [(name, ", ".join(_parameters(name)), ", ".join(manager.implementers(name)) or "-") for name in names]
    print_table(("hook", "parameters", "plugins, in calling order"), rows)
    if broken:
        print_table(("broken plugin", "error"), broken.items())
