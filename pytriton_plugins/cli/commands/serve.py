"""`pytriton-host serve`: reads the settings, then runs the daemon in this process."""

from __future__ import annotations

import os

import attrs
import click

from pytriton_plugins.cli.environment import loaded_config, warn_of_variables
from pytriton_plugins.cli.help import SettingsCommand
from pytriton_plugins.cli.options import host_options, private_options

_EPILOG = (
    "The name beside an option is its environment variable. An option overrides its variable, a variable overrides the "
    "configuration file, and the file overrides hook plugins."
)


@click.command("serve", cls=SettingsCommand, epilog=_EPILOG)
@click.argument("targets", metavar="[TARGET]...", nargs=-1, type=click.Path())
@host_options
@private_options
@click.pass_context
def command(
    ctx: click.Context,
    /,
    targets: tuple[str, ...],
    lifeline: str | None,
    owned: bool,
    only_targets: bool,
    import_path: tuple[str, ...],
    **options: object,
) -> int:
    """Serve models until SIGTERM, SIGINT or SIGHUP.

    A TARGET is a Python file (model.py), a module (package.model) or one marked callable in either
    (model.py:add, package.model:add). Without a TARGET every installed model plugin is served; see
    'pytriton-host list'.

    \b
      pytriton-host serve                      all plugins, for this machine only
      pytriton-host serve model.py             a model that is not packaged
      pytriton-host serve --address 0.0.0.0    for other machines as well

    Clients use Triton's own endpoints: HTTP on port 8000 (/v2/health/ready), gRPC on 8001, metrics on 8002.
    """
    config = attrs.evolve(loaded_config(ctx, targets), owned=owned, only_targets=only_targets, import_path=import_path)
    warn_of_variables()
    from pytriton_plugins.host.startup import run
    from pytriton_plugins.host.system.lifeline import Lifeline

    owner = Lifeline(lifeline) if lifeline else None
    code = run(config, owner)
    if owner is not None and owner.has_ended:
        os._exit(code)  # the end of the interpreter takes as long as all of the stop
    return code
