"""`pytriton-host serve`: settings together, then the daemon; runs in the host process."""

from __future__ import annotations

import click

from pytriton_plugins.cli.environment import loaded_config, warn_of_variables
from pytriton_plugins.cli.options import host_options


@click.command(
    "serve", epilog="An option wins over its variable, a variable over the file, the file over hook plugins."
)
@click.argument("targets", metavar="[TARGET]...", nargs=-1, type=click.Path())
@host_options
@click.pass_context
def command(ctx: click.Context, /, targets: tuple[str, ...], **options: object) -> int:
    """Serve models until TERM, INT or HUP.

    Each TARGET is a Python file (model.py), a module (package.model) or one marked callable in either
    (model.py:add, package.model:add). Without a TARGET every installed model plugin is served; see
    'pytriton-host list'.

    \b
      pytriton-host serve                          every installed plugin, on this machine only
      pytriton-host serve model.py                 a model that is not packaged
      pytriton-host serve --address 0.0.0.0        for other machines, or in a container
      pytriton-host serve --http-port 0 --grpc-port 0 --metrics-port 0    any free ports

    Clients find Triton's own endpoints: HTTP on port 8000 (/v2/health/ready), gRPC on 8001, metrics on 8002.
    """
    config = loaded_config(ctx, targets)
    warn_of_variables()
    from pytriton_plugins.host.startup import run

    return run(config)
