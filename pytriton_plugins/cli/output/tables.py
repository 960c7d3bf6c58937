"""Tables on the terminal; their text is never read as markup."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from pytriton_plugins.cli.output.table_layout import one_line_each, within, wrapped
from pytriton_plugins.text import printable

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult


class Table:
    """Rows under headings, for rich: within the width of a terminal, one line for each row elsewhere."""

    def __init__(self, headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        self._headings = list(headings)
        self._rows = [[printable(cell) for cell in row] for row in rows]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.text import Text

        if options.is_terminal:
            layout = within(self._headings, self._rows, options.max_width)
        else:
            layout = one_line_each(self._headings, self._rows)
        yield Text("")
        for line in layout.head:
            yield Text(line, "bold", no_wrap=True, overflow="ignore")
        for line in layout.body:
            yield Text(line, no_wrap=True, overflow="ignore")
        yield Text("")


def make_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """``rows`` under ``headings``; control characters are escaped."""
    return Table(headings, rows)


def print_all(parts: Sequence[RenderableType]) -> None:
    """Print texts and tables one below the other on standard output, without breaking words."""
    # Imported here: rich takes 60 ms, which commands without a table do not pay.
    from rich.console import Console, ConsoleDimensions
    from rich.text import Text

    console = Console(highlight=False)
    if console.is_terminal:
        console.size = ConsoleDimensions(*shutil.get_terminal_size())  # rich itself assumes 80 where TERM is dumb
    for part in parts:
        if isinstance(part, Text) and console.is_terminal:
            part = Text("\n".join(wrapped(part.plain, console.width)), part.style)
        console.print(part, overflow="ignore", crop=False, soft_wrap=not console.is_terminal)


def print_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table on standard output."""
    print_all([make_table(headings, rows)])
