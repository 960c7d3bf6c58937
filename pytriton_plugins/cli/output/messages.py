"""Messages on standard error, under the program's name."""

from __future__ import annotations

import contextlib

import click

from pytriton_plugins.cli.completion import is_completing
from pytriton_plugins.text import printable

PROGRAM = "pytriton-host"


def explain(*messages: str) -> None:
    """Print a line for each message; one that begins with a blank belongs to the line before it."""
    if is_completing():
        return
    lines = [line if line.startswith(" ") else f"{PROGRAM}: {line}" for line in map(printable, messages)]
    with contextlib.suppress(OSError):  # standard error is closed
        click.echo("\n".join(lines), err=True)
