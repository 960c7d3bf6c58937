"""Text from elsewhere (plugins, servers, files, exceptions) made safe to show on one line; any process."""

from __future__ import annotations

from collections.abc import Sequence

RECORD, GOES_ON = "\x1e", "\x1f"
"""What a worker's `logging` puts before a message, and before each further line of it: no client's text forges one."""


def one_line(value: object, limit: int = 400) -> str:
    """``str(value)`` on one line: white space runs become a blank, control characters are escaped, the rest is cut."""
    text = printable(" ".join(str(value).split()))
    return text if len(text) <= limit else text[: limit - 1] + "…"


def first_few(texts: Sequence[str], most: int, separator: str = ", ") -> str:
    """The first ``most`` of ``texts``, and how many there are besides."""
    more = [f"and {len(texts) - most} more"] if len(texts) > most else []
    return separator.join([*texts[:most], *more])


def cut(text: str, width: int) -> str:
    """``text`` in at most ``width`` columns of a terminal, with … where something is missing."""
    room, kept = width, 0
    for char in text:
        room -= _columns(char)
        kept += room > 0 or (room == 0 and kept + 1 == len(text))
        if room <= 0:
            break
    return text if kept == len(text) else text[:kept] + "…"


def in_bytes(text: str, most: int) -> str:
    """``text`` in at most ``most`` bytes of UTF-8, with … where something is missing; ? is what UTF-8 cannot hold."""
    encoded = text[: most + 1].encode(errors="replace")
    if len(encoded) > most:
        return encoded[: most - 3].decode(errors="ignore") + "…"
    return encoded.decode()


def _columns(char: str) -> int:
    import unicodedata  # workers and `health` do without

    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def printable(text: str) -> str:
    """``text`` with every character that could move the cursor or hide others written as its escape."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)
