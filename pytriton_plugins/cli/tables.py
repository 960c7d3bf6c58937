"""Tables on the terminal, with text from elsewhere shown as it stands, never as markup; any command."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from pytriton_plugins.text import printable

_UNFOLDED = 10_000


if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table


def make_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """``rows`` under ``headings``; control characters are escaped, long cells folded."""
    # rich costs 60 ms, which commands without a table need not pay.
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    return table


def print_all(parts: Sequence[RenderableType]) -> None:
    """Print texts and tables one below the other on standard output."""
    from rich.console import Console

    console = Console(highlight=False)
    for part in parts:
        if not console.is_terminal:
            # Into a pipe a row stays on one line: there rich would fold at 80 columns, in the middle of names.
            console = Console(highlight=False, width=_UNFOLDED)
            console.width = max(1, console.measure(part).maximum)
        console.print(part)


def print_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print `make_table`'s on standard output."""
    print_all([make_table(headings, rows)])
