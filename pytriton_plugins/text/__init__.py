"""Text from elsewhere (plugins, servers, files, exceptions), made safe to show on one line."""

from __future__ import annotations

from collections.abc import Sequence

RECORD_START, CONTINUATION = "\x1e", "\x1f"
"""Characters that a worker's `logging` puts before a message and before each further line of it.

`printable` escapes them in a client's text, so that no client can forge a message.
"""


def one_line(value: object, limit: int = 400) -> str:
    """``str(value)`` on one line: white space runs become a blank, control characters are escaped, the rest is cut."""
    text = printable(" ".join(str(value).split()))
    return text if len(text) <= limit else text[: limit - 1] + "…"


def first_few(texts: Sequence[str], limit: int, separator: str = ", ") -> str:
    """The first ``limit`` of ``texts``, and how many there are besides."""
    more = [f"and {len(texts) - limit} more"] if len(texts) > limit else []
    return separator.join([*texts[:limit], *more])


def cut(text: str, width: int) -> str:
    """``text`` in at most ``width`` columns of a terminal, with … where something is missing."""
    columns_left, length = width, 0
    for char in text:
        columns_left -= _columns(char)
        length += columns_left > 0 or (columns_left == 0 and length + 1 == len(text))
        if columns_left <= 0:
            break
    return text if length == len(text) else text[:length] + "…"


def in_bytes(text: str, limit: int) -> str:
    """``text`` in at most ``limit`` bytes of UTF-8, with … where something is missing; ? is what UTF-8 cannot hold."""
    encoded = text[: limit + 1].encode(errors="replace")
    if len(encoded) > limit:
        return encoded[: limit - 3].decode(errors="ignore") + "…"
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
