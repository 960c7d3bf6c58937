"""Tables of any width: whole words, no text lost, and one line for each row in a file."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Sequence

import pytest
from rich.cells import cell_len

from pytriton_plugins.cli.output.table_layout import one_line_each, within, wrapped

LONG = "it has no live worker: its import failed with OSError: no weights in /srv/models/resnet/weights; mount them"
HEADINGS = ("model", "version", "state", "required", "workers", "restarts", "MiB", "requests")
ROWS = [
    ("resnet-classifier", "1", "ready", "yes", "2/2 17799 17800", "0", "0/16/2048", "0/0"),
    ("bert", "12", LONG, "no", "0/1", "3", "0/0/2048", "0/0"),
]


def text(headings: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> str:
    layout = within(headings, rows, width)
    return "\n".join([*layout.head, *layout.body])


@pytest.mark.parametrize("width", [20, 40, 60, 80, 100, 120, 200])
def test_words_stay_whole_and_lines_within_the_width(width: int) -> None:
    table = text(HEADINGS, ROWS, width)
    words = {word for row in (HEADINGS, *ROWS) for cell in row for word in cell.split()}
    assert words <= set(table.replace("bert:", "bert").split())
    assert all(cell_len(line) <= max(width, max(map(cell_len, words)) + 4) for line in table.splitlines())


def test_a_long_text_is_cut_and_stands_whole_below() -> None:
    assert text(HEADINGS, ROWS, 95).splitlines() == [
        "model              version  state            required  workers    restarts  MiB        requests",
        "───────────────────────────────────────────────────────────────────────────────────────────────",
        "resnet-classifier  1        ready            yes       2/2 17799  0         0/16/2048  0/0",
        "                                                       17800",
        "bert               12       it has no live   no        0/1        3         0/0/2048   0/0",
        "                            worker: its",
        "                            import failed …",
        "",
        "bert: it has no live worker: its import failed with OSError: no weights in",
        "/srv/models/resnet/weights; mount them",
    ]


def test_the_ellipsis_takes_the_place_of_words() -> None:
    assert text(("model", "state"), [("a", LONG)], 30).splitlines()[2:5] == [
        "a      it has no live worker:",
        "       its import failed with",
        "       OSError: no weights …",
    ]


def test_columns_that_do_not_fit_are_printed_one_below_the_other() -> None:
    assert text(HEADINGS, ROWS, 60).splitlines() == [
        "model resnet-classifier",
        "  version 1  state ready  required yes",
        "  workers 2/2 17799 17800  restarts 0  MiB 0/16/2048",
        "  requests 0/0",
        "model bert",
        "  version 12",
        "  state it has no live worker: its import failed with",
        "    OSError: no weights in /srv/models/resnet/weights; mount",
        "    them",
        "  required no  workers 0/1  restarts 3  MiB 0/0/2048",
        "  requests 0/0",
    ]


def test_into_a_file_each_row_is_one_line_and_a_long_one_moves_no_other() -> None:
    layout = one_line_each(HEADINGS, ROWS)
    assert layout.head == [
        "model              version  state  required  workers          restarts  MiB        requests"
    ]
    assert layout.body[1] == ("resnet-classifier  1        ready  yes       2/2 17799 17800  0         0/16/2048  0/0")
    assert layout.body[2] == f"bert               12       {LONG}  no        0/1              3         0/0/2048   0/0"


def test_a_name_is_never_cut() -> None:
    name = "a-very-long-name-of-a-plugin-that-nobody-would-type-twice"
    rows = [(name, "models"), ("short", "hooks")]
    assert text(("plugin", "provides"), rows, 30).splitlines() == [
        "plugin",
        name,
        "  provides models",
        "plugin short",
        "  provides hooks",
    ]


def test_more_than_a_few_long_texts_are_not_cut() -> None:
    """Two long texts are cut, or those of one row in four; with more, cells stand below each other."""
    long, short = [(name, LONG) for name in "abc"], [(f"m{number}", "ready") for number in range(9)]
    assert text(("model", "state"), long[:2], 40).startswith("model  state\n")
    assert text(("model", "state"), long, 40).startswith("model a\n  state it has no live worker")
    assert text(("model", "state"), [*long, *short[:8]], 40).startswith("model a\n")
    assert text(("model", "state"), [*long, *short], 40).startswith("model  state\n")


def test_wide_characters_take_two_columns() -> None:
    assert wrapped("模型 模型 模型", 10) == ["模型 模型", "模型"]
    layout = within(("model", "state"), [("模型", "ready"), ("abcd", "ready")], 80)
    assert layout.body[1:] == ["模型   ready", "abcd   ready"]


def test_no_rows() -> None:
    assert text(("model", "state"), [], 80).splitlines() == ["model  state", "────────────"]
    assert text(("model", "state"), [], 4) == ""


def test_on_a_terminal_of_60_columns() -> None:
    """Tables have the terminal's width, and other text is wrapped between words."""
    code = (
        "from rich.text import Text\nfrom pytriton_plugins.cli.output.tables import make_table, print_all\n"
        f"print_all([Text('not ready: {LONG}', 'red'), make_table({HEADINGS!r}, {ROWS!r})])"
    )
    leader, follower = pty.openpty()
    env = {**os.environ, "COLUMNS": "60", "NO_COLOR": "1", "TERM": "dumb"}
    with subprocess.Popen([sys.executable, "-c", code], stdout=follower, env=env) as process:
        os.close(follower)
        printed = b""
        try:
            while data := os.read(leader, 1 << 16):
                printed += data
        except OSError:
            pass  # the other end is closed
        assert process.wait(30) == 0
    os.close(leader)
    lines = printed.decode().splitlines()
    assert lines[:2] == [
        "not ready: it has no live worker: its import failed with",
        "OSError: no weights in /srv/models/resnet/weights; mount",
    ]
    assert lines[4] == "model resnet-classifier"
    assert max(map(len, lines)) <= 60
