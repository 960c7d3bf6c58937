"""The options of commands that ask a running daemon."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from pytriton_plugins.host.control.client import RUN_DIR_VARIABLE

F = TypeVar("F", bound=Callable[..., Any])


def host_choice(function: F) -> F:
    """Adds ``--run-dir`` and ``--pid``."""
    by_pid = click.option("--pid", metavar="PID", type=click.IntRange(min=1), help="Process id of the daemon.")
    by_folder = click.option(
        "--run-dir",
        metavar="DIR",
        type=click.Path(),
        envvar=RUN_DIR_VARIABLE,
        show_envvar=True,
        help="The --run-dir of the daemon. Default: the only daemon of this user.",
    )
    return by_folder(by_pid(function))


def json_option(function: F) -> F:
    """Adds ``--json``."""
    return click.option("--json", "as_json", is_flag=True, help='Print JSON with "schema": 1.')(function)
