"""Where the cells of a table stand, as lines of text in which no word is broken; any command."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import attrs

_GAP, _RULE = "  ", "─"
_ALIGNED = 48
"""Columns are as wide as their widest cell up to this, where nothing has to fit: a longer cell moves its row only."""

_TALLEST = 3
"""Lines of a cell; what is longer stands whole below the table."""

_FEW = 2
"""So many cells may be cut, or one in four rows; more are better read one below the other."""

_LONG_WORD = 12
"""A word in a text that is longer makes no column wider, and is cut with what follows."""

Cells = Sequence[str]


@attrs.frozen
class Layout:
    """The lines of a table: the headings, and the rest."""

    head: list[str]
    body: list[str]


def one_line_each(headings: Cells, rows: Sequence[Cells]) -> Layout:
    """A line for each row however long it gets, for a file or a program."""
    widths = [
        max(_width(cell) for cell in column if cell is column[0] or _width(cell) <= _ALIGNED)
        for column in zip(headings, *rows, strict=True)
    ]
    return Layout([_line(headings, widths)], [_rule(widths), *(_line(row, widths) for row in rows)])


def within(headings: Cells, rows: Sequence[Cells], width: int) -> Layout:
    """Lines of at most ``width``, unless a single word is longer. Rows take several lines if they must."""
    widths = _fitting(headings, rows, width)
    cut = [] if widths is None else [f"{row[0]}: {cell}" for row in rows for cell in _too_long(row, widths)]
    if widths is None or len(cut) > max(_FEW, len(rows) // 4):
        return Layout([], list(_stacked(headings, rows, width)))
    body = [line for row in rows for line in _side_by_side(row, widths)]
    notes = [line for text in cut for line in wrapped(text, width)]
    return Layout(_side_by_side(headings, widths), [_rule(widths), *body, *([""] if notes else []), *notes])


def _too_long(row: Cells, widths: Sequence[int]) -> list[str]:
    lines = [wrapped(cell, width) for cell, width in zip(row, widths, strict=True)]
    return [cell for cell, each, width in zip(row, lines, widths, strict=True) if _cut(each, width) != each]


def _fitting(headings: Cells, rows: Sequence[Cells], width: int) -> list[int] | None:
    """The widths of the columns; None when not even the words of each fit side by side."""
    columns = list(zip(headings, *rows, strict=True))
    most = [max(map(_width, column)) for column in columns]
    least = [max(map(_least, column)) for column in columns]
    left = width - len(_GAP) * (len(columns) - 1) - sum(least)
    if left < 0:
        return None
    widths = list(least)
    by_need = sorted(range(len(columns)), key=lambda index: most[index] - least[index])
    for position, index in enumerate(by_need):
        more = min(most[index] - least[index], left // (len(columns) - position))
        widths[index] += more
        left -= more
    return widths


def _least(cell: str) -> int:
    """How wide a column must be for ``cell``: a name is never cut, a text may be, before a long word of it."""
    words = [_width(word) for word in cell.split()]
    return max(words, default=0) if len(words) == 1 else max([min(each, _LONG_WORD) for each in words], default=0)


def _stacked(headings: Cells, rows: Sequence[Cells], width: int) -> Iterator[str]:
    """Each row as a paragraph: its first cell, and below it the others with their headings."""
    for row in rows:
        yield from wrapped(f"{headings[0]} {row[0]}", width)
        line = ""
        for heading, cell in zip(headings[1:], row[1:], strict=True):
            pair = f"{heading} {cell}".strip()
            if line and _width(f"  {line}{_GAP}{pair}") > width:
                yield from _indented(line, width)
                line = ""
            line += f"{_GAP if line else ''}{pair}"
        yield from _indented(line, width)


def _indented(text: str, width: int) -> list[str]:
    if _width(text) + 2 <= width:
        return [f"  {text}"]
    first, *more = wrapped(text, width - 4)
    return [f"  {first}", *(f"    {line}" for line in more)]


def wrapped(text: str, width: int) -> list[str]:
    """``text`` on lines of at most ``width``, broken between words only."""
    if _width(text) <= width:
        return [text]
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and _width(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def _cut(lines: list[str], width: int) -> list[str]:
    """As many of ``lines`` as a cell may have and as fit, with an ellipsis in the place of others."""
    fit = next((index for index, line in enumerate(lines) if _width(line) > width), len(lines))
    if fit == len(lines) <= _TALLEST:
        return lines
    kept = lines[: min(fit, _TALLEST)] or [""]
    while kept[-1] and _width(f"{kept[-1]} …") > width:
        kept[-1] = kept[-1].rpartition(" ")[0]
    return [*kept[:-1], f"{kept[-1]} …".strip()]


def _side_by_side(row: Cells, widths: Sequence[int]) -> list[str]:
    cells = [_cut(wrapped(cell, width), width) for cell, width in zip(row, widths, strict=True)]
    height = max(map(len, cells), default=0)
    return [_line([lines[at] if at < len(lines) else "" for lines in cells], widths) for at in range(height)]


def _line(cells: Cells, widths: Sequence[int]) -> str:
    padded = [cell + " " * (width - _width(cell)) for cell, width in zip(cells, widths, strict=True)]
    return _GAP.join(padded).rstrip()


def _rule(widths: Sequence[int]) -> str:
    return _RULE * (sum(widths) + len(_GAP) * (len(widths) - 1))


def _width(text: str) -> int:
    """In columns of the terminal, of which some characters take two."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)
