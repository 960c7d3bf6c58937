"""The command `pytriton-host` with its commands and exit codes; runs in the process that was called."""

from __future__ import annotations

import contextlib
import functools
import importlib
from collections.abc import Sequence
from pathlib import Path

import click

from pytriton_plugins.errors import ConfigError, PytritonPluginsError
from pytriton_plugins.text import printable

PROGRAM = "pytriton-host"
EPILOG = f"""\b
Shell completion, for bash (zsh_source and fish_source likewise):
  eval "$(_PYTRITON_HOST_COMPLETE=bash_source {PROGRAM})"
"""
COMMANDS = {
    "serve": "pytriton_plugins.cli.serve",
    "list": "pytriton_plugins.cli.list",
    "check": "pytriton_plugins.cli.check",
    "hooks": "pytriton_plugins.cli.hooks",
    "config": "pytriton_plugins.cli.config",
    "new": "pytriton_plugins.cli.new",
    "image": "pytriton_plugins.cli.image",
    "infer": "pytriton_plugins.cli.infer",
    "debug": "pytriton_plugins.cli.debug",
    "status": "pytriton_plugins.cli.status",
    "health": "pytriton_plugins.cli.health",
    "models": "pytriton_plugins.cli.models",
    "manifests": "pytriton_plugins.cli.manifests",
}


class LazyGroup(click.Group):
    """Imports a command's module when the command is called or shown, and hook plugins when theirs are."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*COMMANDS, *sorted(_added_commands())]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return _added_commands().get(cmd_name)
        command: click.Command = importlib.import_module(COMMANDS[cmd_name]).command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if not name.startswith("-") and self.get_command(ctx, name) is None:
            from pytriton_plugins.settings import suggestion

            hint = suggestion(name, self.list_commands(ctx))
            ctx.fail(f"No such command {name!r}{hint}")
        return super().resolve_command(ctx, args)


@functools.cache
def _added_commands() -> dict[str, click.Command]:
    """What hook plugins add. A broken plugin costs its commands and one line, never the other commands."""
    from pytriton_plugins.cli.loading import loaded_config, loaded_hooks

    broken: dict[str, str] = {}
    try:
        gathered = loaded_hooks(loaded_config(), broken).add_commands()
    except PytritonPluginsError as error:
        explain(f"no commands of plugins: {error}")
        return {}
    for message in (*broken.values(), *map(str, gathered.broken)):
        explain(message)
    commands = {}
    for answer in gathered.answers:
        name = str(answer.value.name)
        if name in COMMANDS:
            explain(f"hook plugin {answer.plugin}: the command {name} is {PROGRAM}'s own; rename it")
        else:
            commands[name] = answer.value
    return commands


def _show_version(ctx: click.Context, option: click.Parameter, wanted: bool) -> None:
    if wanted:
        from pytriton_plugins.cli.version import version_lines

        click.echo("\n".join(version_lines()))
        ctx.exit()


@click.group(cls=LazyGroup, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Show the versions of this program and Python, and the tritonserver that would be taken.",
)
def app() -> None:
    """Serve pip-installed Python models through a real Triton Inference Server."""


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command; each mistake ends in one line on standard error and an exit code."""
    try:
        result = app.main(arguments, prog_name=PROGRAM, standalone_mode=False)
        return result if isinstance(result, int) else 0
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return 2
    except click.UsageError as error:
        message = " ".join(error.format_message().split()).rstrip(".")
        return _fail(f"{message}; see '{_called(error)} --help'", 2)
    except click.ClickException as error:
        return _fail(error.format_message(), error.exit_code)
    except click.Abort:
        return _fail("interrupted", 1)
    except ConfigError as error:
        return _fail(str(error), 2)
    except PytritonPluginsError as error:
        return _fail(str(error), 1)


def explain(message: str) -> None:
    """One line on standard error, under the program's name."""
    lines = "\n".join(printable(line) for line in message.splitlines())
    with contextlib.suppress(OSError):  # nobody reads it any more
        click.echo(f"{PROGRAM}: {lines}", err=True)


def here() -> Path:
    """The folder that relative paths and the configuration file are looked up in."""
    return Path.cwd()


def _called(error: click.UsageError) -> str:
    return error.ctx.command_path if error.ctx else PROGRAM


def _fail(message: str, code: int) -> int:
    explain(message)
    return code
