"""Tables on the terminal, with text from elsewhere shown as it stands, never as markup; any command."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pytriton_plugins.text import printable

_UNFOLDED = 10_000


def print_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print ``rows`` under ``headings`` on standard output; control characters are escaped, long cells folded."""
    # rich costs 60 ms, which commands without a table need not pay.
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    console = Console(highlight=False)
    if not console.is_terminal:
        # Into a pipe a row stays on one line: there rich would fold at 80 columns, in the middle of names.
        console = Console(highlight=False, width=_UNFOLDED)
        console.width = max(1, console.measure(table).maximum)
    console.print(table)
