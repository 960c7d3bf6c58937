"""`pytriton-host models`: have the running daemon load, unload or reload a model; in the called process."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

import click

from pytriton_plugins.cli import completion as completing
from pytriton_plugins.cli.control_client import find_host
from pytriton_plugins.cli.control_options import host_choice, json_option
from pytriton_plugins.cli.suggestions import SuggestingGroup
from pytriton_plugins.text import printable

F = TypeVar("F", bound=Callable[..., Any])

TIMEOUT = 180.0
_SLACK = 15.0
"""Seconds more for the answer: the daemon itself keeps the time."""


@click.group("models", cls=SuggestingGroup)
def command() -> None:
    """Load, unload and reload models of the running host while the others serve."""


def _change_options(function: F) -> F:
    """Adds what every change of a model takes."""
    by_version = click.option("--version", type=click.IntRange(min=1), metavar="N", help="Default: every version.")
    timeout = click.option(
        "--timeout",
        metavar="SECONDS",
        type=click.FloatRange(min=0, min_open=True, max=86400),
        default=TIMEOUT,
        show_default=True,
        help="How long to wait.",
    )
    return click.argument("name", shell_complete=completing.models)(
        by_version(timeout(json_option(host_choice(function))))
    )


@command.command("list")
@json_option
@host_choice
def list_models(as_json: bool, run_dir: str | None, pid: int | None) -> None:
    """Show every model that the host serves, has unloaded, or could not serve."""
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
@_change_options
def load(name: str, **options: Any) -> None:
    """Serve NAME again after 'unload' or a failure, or a model of a plugin that was installed since the start.

    NAME may also be a plugin's: then all of its models are served. Until NAME serves it does not count for readiness.
    """
    _change("load", name, **options)


@command.command("unload")
@_change_options
def unload(name: str, **options: Any) -> None:
    """Serve NAME no longer; it is no reason against readiness then. A restart of the host serves it again.

    Requests that wait for NAME fail, those that run may finish; after --timeout their workers are killed.
    """
    _change("unload", name, **options)


@command.command("reload")
@_change_options
def reload(name: str, **options: Any) -> None:
    """Import NAME's plugin anew and serve what it is now, without losing a request. If that fails the old one stays."""
    _change("reload", name, **options)


def _change(
    what: str, name: str, version: int | None, timeout: float, as_json: bool, run_dir: str | None, pid: int | None
) -> None:
    question = {"command": what, "model": name, "version": version, "timeout": timeout}
    host = find_host(run_dir, pid)
    try:
        answer = host.ask(question, timeout + _SLACK, lambda text: click.echo(f"{printable(text)} …", err=True))
    finally:
        host.close()
    if as_json:
        click.echo(json.dumps({"schema": 1, "done": answer["done"]}, indent=2))
        return
    for line in answer["done"]:
        click.echo(printable(str(line)))
