"""The layout of a table: lines of text in which no word is broken."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import attrs

_GAP, _RULE = "  ", "─"
_MAX_ALIGNED = 48
"""Without a limit of the width, a column is as wide as its widest cell up to this; longer cells move their row only."""

_MAX_LINES = 3
"""Lines of a cell; a longer text is printed whole below the table."""

_MAX_CUT = 2
"""Cells that may be cut, or one in four rows; with more, the cells are printed one below the other."""

_LONG_WORD = 12
"""A longer word in a text does not widen its column, and is cut together with the text after it."""

Cells = Sequence[str]


@attrs.frozen
class Layout:
    """The lines of a table: the headings, and the rest."""

    head: list[str]
    body: list[str]


def one_line_each(headings: Cells, rows: Sequence[Cells]) -> Layout:
    """One line for each row, of any length, for a file or a program."""
    widths = [
        max(_width(cell) for cell in column if cell is column[0] or _width(cell) <= _MAX_ALIGNED)
        for column in zip(headings, *rows, strict=True)
    ]
    return Layout([_line(headings, widths)], [_rule(widths), *(_line(row, widths) for row in rows)])


def within(headings: Cells, rows: Sequence[Cells], width: int) -> Layout:
    """Lines of at most ``width``, unless a single word is longer. Rows take several lines if they must."""
    widths = _fitting(headings, rows, width)
    cut = [] if widths is None else [f"{row[0]}: {cell}" for row in rows for cell in _too_long(row, widths)]
    if widths is None or len(cut) > max(_MAX_CUT, len(rows) // 4):
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
    wanted = [max(map(_width, column)) for column in columns]
    widths = [max(map(_min_width, column)) for column in columns]
    needs = [want - width for want, width in zip(wanted, widths, strict=True)]
    free = width - len(_GAP) * (len(columns) - 1) - sum(widths)
    if free < 0:
        return None
    for position, index in enumerate(sorted(range(len(columns)), key=needs.__getitem__)):
        share = min(needs[index], free // (len(columns) - position))
        widths[index] += share
        free -= share
    return widths


def _min_width(cell: str) -> int:
    """The least width of a column for ``cell``: a name is never cut, a text may be cut before a long word."""
    words = [_width(word) for word in cell.split()]
    return max(words, default=0) if len(words) == 1 else max([min(each, _LONG_WORD) for each in words], default=0)


def _stacked(headings: Cells, rows: Sequence[Cells], width: int) -> Iterator[str]:
    """A paragraph for each row: its first cell, and below it the other cells with their headings."""
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
    """The first ``lines`` that fit into a cell, with an ellipsis if some are left out."""
    fit = next((index for index, line in enumerate(lines) if _width(line) > width), len(lines))
    if fit == len(lines) <= _MAX_LINES:
        return lines
    *first, last = lines[: min(fit, _MAX_LINES)] or [""]
    while last and _width(f"{last} …") > width:
        last = last.rpartition(" ")[0]
    return [*first, f"{last} …".strip()]


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
    """The number of terminal columns, of which some characters take two."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)
