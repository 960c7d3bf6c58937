"""`pytriton-host hooks`: who implements which hook, in calling order; imports the hook plugins, nothing else."""

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
    """Show every hook and the plugins that implement it, in the order in which they are asked.

    The verb in a hook's name tells how its plugins are asked: choose_ takes the first answer, edit_ hands one plugin's
    value to the next, add_ gathers, check_ wants all to agree, on_ tells. A plugin that is broken is shown with what is
    wrong, and the exit code is 1.
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
        print_table(("broken plugin", "what is wrong"), broken.items())
