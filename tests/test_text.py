"""Text from elsewhere, made safe for one line."""

from __future__ import annotations

from pytriton_plugins.text import one_line, printable


def test_printable_escapes_what_moves_or_hides() -> None:
    assert printable("plain é 漢") == "plain é 漢"
    assert printable("\x1b[2J\r\u202e\x00") == r"\x1b[2J\r\u202e\x00"


def test_one_line_joins_and_cuts() -> None:
    assert one_line(ValueError("a\n  b\tc")) == "a b c"
    assert one_line("x" * 50, 10) == "x" * 9 + "…"
