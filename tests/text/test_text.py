"""Text from other sources, made safe for one line."""

from __future__ import annotations

import pytest

from pytriton_plugins.text import cut, first_few, in_bytes, one_line, printable


def test_printable_escapes_what_moves_or_hides() -> None:
    assert printable("plain é 漢") == "plain é 漢"
    assert printable("\x1b[2J\r\u202e\x00") == r"\x1b[2J\r\u202e\x00"


def test_the_first_few_and_how_many_there_are_besides() -> None:
    assert first_few([], 2) == ""
    assert first_few(["a", "b"], 2) == "a, b"
    assert first_few(["a", "b", "c", "d"], 2) == "a, b, and 2 more"
    assert first_few(["a: x, y", "b"], 1, "; ") == "a: x, y; and 1 more"


def test_one_line_joins_and_cuts() -> None:
    assert one_line(ValueError("a\n  b\tc")) == "a b c"
    assert one_line("x" * 50, 10) == "x" * 9 + "…"


@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [
        ("", 3, ""),
        ("abc", 3, "abc"),
        ("abcd", 3, "ab…"),
        ("日本語", 6, "日本語"),
        ("日本語", 5, "日本…"),
        ("日本語", 4, "日…"),
        ("e\u0301te", 3, "e\u0301te"),
    ],
)
def test_a_text_is_cut_to_the_columns_that_it_takes(text: str, width: int, shown: str) -> None:
    assert cut(text, width) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [("abcdef", "abcdef"), ("abcdefg", "abc…"), ("ééé", "ééé"), ("éééé", "é…"), ("漢漢漢", "漢…"), ("\ud800", "?")],
)
def test_a_text_is_cut_to_bytes_at_the_end_of_a_character(text: str, shown: str) -> None:
    assert in_bytes(text, 6) == shown
