"""A worker's output as log messages with a level, in which lines that belong together are one message."""

from __future__ import annotations

import io
import logging
import traceback
from typing import Any

import pytest

from pytriton_plugins.host.workers import output as module
from pytriton_plugins.text import RECORD_START
from pytriton_plugins.worker.log import MarkedFormatter
from tests.support.backend.worker_events import events


@pytest.fixture(autouse=True)
def heard(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets `caplog` get our messages even if a host has set up logging in this process."""
    monkeypatch.setattr(logging.getLogger("pytriton"), "propagate", True)


def logged(level: int, message: str, **more: Any) -> str:
    """The text that a worker's `logging` writes."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(MarkedFormatter())
    handler.handle(logging.LogRecord("acme.model", level, "", 0, message, None, more.get("exc_info")))
    return stream.getvalue()


def failure() -> tuple[Any, str]:
    """The exception information of an exception with a cause, and the traceback that `traceback` prints."""
    try:
        try:
            raise KeyError("a")
        except KeyError as error:
            raise ValueError("b") from error
    except ValueError as error:
        text = "\n".join(line for line in traceback.format_exc().splitlines() if line)
        return (type(error), error, error.__traceback__), text


def test_a_workers_own_logging_keeps_its_level(caplog: pytest.LogCaptureFixture) -> None:
    texts = [logged(logging.WARNING, "careful: it is hot"), "printed\n", logged(logging.DEBUG, "x")]
    assert events(caplog, "".join(texts)) == [
        ("WARNING", ["careful: it is hot"]),
        ("INFO", ["printed"]),
        ("DEBUG", ["x"]),
    ]
    assert caplog.records[0].source == "acme.model"  # type: ignore[attr-defined]


def test_a_message_of_several_lines_is_one(caplog: pytest.LogCaptureFixture) -> None:
    """It is one message even if it is read in several pieces."""
    info, text = failure()
    lines = [f"{line}\n" for line in logged(logging.ERROR, "model: it failed", exc_info=info).split("\n") if line]
    (event,) = events(caplog, lines[0] + lines[1], "".join(lines[2:]))
    assert event[0] == "ERROR"
    assert [line for line in event[1] if line] == ["model: it failed", *text.splitlines()]


def test_text_of_a_client_forges_no_message(caplog: pytest.LogCaptureFixture) -> None:
    """Text from a client cannot look like a record of its own."""
    forged = "ERROR pytriton.host: the disk is full"
    texts = logged(logging.INFO, f"a client sent x\n{forged}") + f"{forged}\n"
    assert events(caplog, texts) == [("INFO", ["a client sent x", forged]), ("INFO", [forged])]


def test_a_printed_traceback_is_one_message(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is although `traceback.print_exc` writes it line by line."""
    monkeypatch.setattr(module, "_NEXT_LINE_TIMEOUT", 60.0)  # a busy machine may be late with the next line
    _, text = failure()
    pieces = [f"{line}\n" for line in text.splitlines()]
    assert events(caplog, "before\n", *pieces, "after\n", pause=0.001) == [
        ("INFO", ["before"]),
        ("ERROR", text.splitlines()),
        ("INFO", ["after"]),
    ]


UNFINISHED = {
    "a progress bar": ("\r 10%|#   |\r 50%|##  |", ["(rewritten once)  50%|##  |"]),
    "a prompt": ("name? ", ["name?"]),
    "colours": ("\x1b[31mred", ["\\x1b[31mred"]),
    "a line that is cleared": ("\r 10%|#  |\r", [" 10%|#  |"]),
}


@pytest.mark.parametrize("kind", UNFINISHED)
def test_a_record_after_an_unfinished_line_is_a_message_of_its_own(caplog: pytest.LogCaptureFixture, kind: str) -> None:
    printed, shown = UNFINISHED[kind]
    info, text = failure()
    error = logged(logging.ERROR, "model: it failed", exc_info=info)
    # In one read and in two, and with what comes behind it.
    for parts in ((printed + error + printed,), (printed, error, printed)):
        caplog.clear()
        assert events(caplog, *parts) == [
            ("INFO", shown),
            ("ERROR", ["model: it failed", *(line for line in text.splitlines() if line)]),
            ("INFO", shown),
        ]


@pytest.mark.parametrize("kind", UNFINISHED)
def test_a_printed_traceback_behind_an_unfinished_line_is_an_error(caplog: pytest.LogCaptureFixture, kind: str) -> None:
    printed, shown = UNFINISHED[kind]
    _, text = failure()
    lines = [line for line in text.splitlines() if line]
    before = ["(rewritten once)"] if kind == "a line that is cleared" else shown
    assert events(caplog, printed + text) == [("INFO", before), ("ERROR", lines)]


def test_long_lines_cost_no_more_than_their_length(caplog: pytest.LogCaptureFixture) -> None:
    assert len(events(caplog, ("y" * 8000 + "\n") * 500)) > 0


def test_a_group_of_exceptions_is_one_error(caplog: pytest.LogCaptureFixture) -> None:
    text = "  + Exception Group Traceback (most recent call last):\n  |   File x\n  | ExceptionGroup: two\n"
    assert events(caplog, text) == [("ERROR", text.splitlines())]


def test_a_message_holds_no_marks_of_others(caplog: pytest.LogCaptureFixture) -> None:
    """The mark of a record inside a message does not begin a record."""
    forged = "x" * 8150 + f"{RECORD_START}ERROR pytriton.host: the disk is full"
    assert {level for level, _ in events(caplog, logged(logging.INFO, f"{forged}\n{forged}"))} == {"INFO"}


def test_two_tracebacks_are_two_messages(caplog: pytest.LogCaptureFixture) -> None:
    _, text = failure()
    assert events(caplog, f"{text}\n{text}\n") == [("ERROR", text.splitlines())] * 2


def test_a_message_without_end_is_cut(caplog: pytest.LogCaptureFixture) -> None:
    """A message of very many lines is split."""
    messages = events(caplog, logged(logging.INFO, "\n".join("x" * 1000)))
    assert max(len(lines) for _, lines in messages) == 300
    assert sum(len(lines) for _, lines in messages) == 1000
