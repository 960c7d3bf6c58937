"""The help of commands that take the settings of the daemon: options in groups, with their variables in one column."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from typing import Any

import click

_GAP = 4
"""Columns between the longest option and the variables."""


class SettingOption(click.Option):
    """An option that belongs to a ``group`` of settings."""

    def __init__(self, *arguments: Any, group: str, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self.group = group


class SettingsCommand(click.Command):
    """A command whose help shows its own options first, then those of each group of settings.

    An option and its variable share a line, with the help text below: two columns of text and 31 characters of a
    variable would not fit into 80 columns.
    """

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        groups: dict[str, list[click.Option]] = {"Options": []}
        for each in self.get_params(ctx):
            if isinstance(each, click.Option) and not each.hidden:
                group = each.group if isinstance(each, SettingOption) else "Options"
                groups.setdefault(group, []).append(each)
        column = _column(ctx, (each for options in groups.values() for each in options))
        for group, options in groups.items():
            with formatter.section(group):
                for option in options:
                    _write(ctx, formatter, option, column)


def _column(ctx: click.Context, options: Iterable[click.Option]) -> int:
    """The column of the variables."""
    return max((len(_record(ctx, each)[0]) for each in options if each.envvar), default=0) + _GAP


def _write(ctx: click.Context, formatter: click.HelpFormatter, option: click.Option, column: int) -> None:
    names, text = _record(ctx, option)
    variable = str(option.envvar or "")
    formatter.write(f"{'':{formatter.current_indent}}{names:<{column}}{variable}".rstrip() + "\n")
    with formatter.indentation(), formatter.indentation():
        indent = " " * formatter.current_indent
        # A name with hyphens is not broken, and the begin of a default is not left alone at the end of a line.
        wrapper = textwrap.TextWrapper(
            formatter.width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False
        )
        formatter.write(wrapper.fill(text.replace("Default: ", "Default:\xa0")).replace("\xa0", " ") + "\n")


def _record(ctx: click.Context, option: click.Option) -> tuple[str, str]:
    """The option with its other names and metavar, and its help text."""
    return option.get_help_record(ctx) or ("", "")
