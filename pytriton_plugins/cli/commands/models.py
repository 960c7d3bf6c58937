"""`pytriton-host models`: asks the running daemon to load, unload or reload a model."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

import click

from pytriton_plugins.cli import completion as completing
from pytriton_plugins.cli.control_options import host_choice, json_option
from pytriton_plugins.cli.suggestions import SuggestingGroup
from pytriton_plugins.host.control.client import find_host
from pytriton_plugins.text import printable

F = TypeVar("F", bound=Callable[..., Any])

TIMEOUT = 180.0
_ANSWER_MARGIN = 15.0
"""Seconds that the answer may come after the timeout, which the daemon itself applies."""


@click.group("models", cls=SuggestingGroup)
def command() -> None:
    """Load, unload and reload models of the running daemon.

    The other models serve meanwhile.
    """


def _change_options(complete: completing.Complete) -> Callable[[F], F]:
    """Adds the arguments and options of every change of a model; ``complete`` offers names."""
    return lambda function: _with_options(function, complete)


def _with_options(function: F, complete: completing.Complete) -> F:
    by_version = click.option("--version", type=click.IntRange(min=1), metavar="N", help="Default: every version.")
    timeout = click.option(
        "--timeout",
        metavar="SECONDS",
        type=click.FloatRange(min=0, min_open=True, max=86400),
        default=TIMEOUT,
        show_default=True,
        help="Timeout of the change.",
    )
    return click.argument("name", shell_complete=complete)(by_version(timeout(json_option(host_choice(function)))))


@command.command("list")
@json_option
@host_choice
def list_models(as_json: bool, run_dir: str | None, pid: int | None) -> None:
    """Show the models of the running daemon.

    They include unloaded and failed models.
    """
    from pytriton_plugins.cli.commands.status import MODEL_HEADINGS, ask, model_rows

    host = find_host(run_dir, pid)
    try:
        status = ask(host)
    finally:
        host.close()
    if as_json:
        click.echo(json.dumps({"schema": 1, "models": status["models"]}, indent=2))
        return
    from pytriton_plugins.cli.output.tables import print_table

    print_table(MODEL_HEADINGS, model_rows(status))


@command.command("load")
@_change_options(completing.models_and_files)
def load(name: str, **options: Any) -> None:
    """Serve NAME again, or a new model.

    NAME may have been unloaded or have failed, or its plugin may have been installed since the start. NAME may also be
    the name of a plugin, or a TARGET of 'serve': model.py, model.py:add, package.model, package.model:add. Then all
    its models are served, until the daemon ends. Readiness does not depend on NAME until it serves.
    """
    from pytriton_plugins.discovery.selection import absolute_target

    _change("load", absolute_target(name), **options)


@command.command("unload")
@_change_options(completing.models)
def unload(name: str, **options: Any) -> None:
    """Stop serving NAME until it is loaded again.

    Readiness no longer depends on NAME. Waiting requests fail, running requests may finish; after --timeout their
    workers are killed. A restart of the daemon serves NAME again.
    """
    _change("unload", name, **options)


@command.command("reload")
@_change_options(completing.models)
def reload(name: str, **options: Any) -> None:
    """Import NAME's plugin again and serve its new version.

    No request is lost. If the new version fails, the old one continues to serve.
    """
    _change("reload", name, **options)


def _change(
    verb: str, name: str, version: int | None, timeout: float, as_json: bool, run_dir: str | None, pid: int | None
) -> None:
    question = {"command": verb, "model": name, "version": version, "timeout": timeout}
    host = find_host(run_dir, pid)
    try:
        answer = host.ask(question, timeout + _ANSWER_MARGIN, lambda text: click.echo(f"{printable(text)} …", err=True))
    finally:
        host.close()
    if as_json:
        click.echo(json.dumps({"schema": 1, "done": answer["done"]}, indent=2))
        return
    for line in answer["done"]:
        click.echo(printable(str(line)))
