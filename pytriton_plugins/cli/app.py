"""The command `pytriton-host`: its group of commands, and exit codes."""

from __future__ import annotations

import functools
import importlib
import os
from collections.abc import Sequence

import click

from pytriton_plugins.cli.commands import COMMANDS
from pytriton_plugins.cli.completion import is_completing, quiet, use_own_script
from pytriton_plugins.cli.output.messages import PROGRAM, explain
from pytriton_plugins.cli.output.streams import OutputFailed, finish
from pytriton_plugins.cli.suggestions import SuggestingGroup, usage_message
from pytriton_plugins.errors import ConfigError, PytritonPluginsError

EPILOG = f"""\b
Shell completion, for bash (zsh_source and fish_source likewise):
  eval "$(_PYTRITON_HOST_COMPLETE=bash_source {PROGRAM})"
"""


class LazyGroup(SuggestingGroup):
    """Imports a command's module when the command is called or shown, and hook plugins for the commands they add."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*COMMANDS, *sorted(_added_commands())]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return _added_commands().get(cmd_name)
        command: click.Command = importlib.import_module(COMMANDS[cmd_name]).command
        return command


@functools.cache
def _added_commands() -> dict[str, click.Command]:
    """The commands of hook plugins. A broken plugin loses its own commands, with one line that says why."""
    from pytriton_plugins.cli.environment import loaded_config, loaded_hooks, only_our_output
    from pytriton_plugins.cli.plugin_commands import added_commands

    broken: dict[str, str] = {}
    try:
        with quiet() if is_completing() else only_our_output():
            commands, invalid = added_commands(loaded_hooks(loaded_config(), broken), COMMANDS)
    except PytritonPluginsError as error:
        explain(f"no commands of plugins: {error}")
        return {}
    for message in (*broken.values(), *(f"hook plugin {label}: {problem}" for label, problem in invalid.items())):
        explain(message)
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
    help="Show the version of this program and of Python, and the tritonserver that 'serve' would run.",
)
def app() -> None:
    """Serve pip-installed Python models through a real Triton Inference Server."""


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command; each mistake ends in one line on standard error and an exit code."""
    if is_completing():
        use_own_script()
    code = _run(arguments)
    try:
        finish()
    except OutputFailed as error:
        return _fail(1, *error.messages)
    return code


def _run(arguments: Sequence[str] | None) -> int:
    # click itself knows neither of the two variables.
    is_plain = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") in ("dumb", "unknown")
    try:
        result = app.main(arguments, prog_name=PROGRAM, standalone_mode=False, color=False if is_plain else None)
        return result if isinstance(result, int) else 0
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return 2
    except click.UsageError as error:
        return _fail(2, f"{usage_message(error)}; see '{_command_of(error)} --help'")
    except click.ClickException as error:
        return _fail(error.exit_code, error.format_message())
    except click.Abort:
        return _fail(1, "interrupted")
    except OutputFailed as error:
        return _fail(1, *error.messages)
    except PytritonPluginsError as error:
        return _fail(2 if isinstance(error, ConfigError) else 1, *error.problems)


def _command_of(error: click.UsageError) -> str:
    return error.ctx.command_path if error.ctx else PROGRAM


def _fail(code: int, *messages: str) -> int:
    if messages:
        explain(*messages)
    return code
