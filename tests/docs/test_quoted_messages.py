"""Each message that a page quotes is one that our code, Triton or the system can say."""

from __future__ import annotations

import errno
import os
from functools import cache
from pathlib import Path

import pytest

from tests.support.backend.server import found_server
from tests.support.docs.message_templates import HOLE, c_strings, can_be_said, python_strings
from tests.support.docs.quoted_messages import Quote, quoted_in, quotes

KUBECTL = {'no matches for kind "PodMonitor"'}
SYSTEM = {os.strerror(number) for number in errno.errorcode}


@cache
def tritons_programs() -> bytes:
    """The server and its library, which lies beside it in the bundle of pip and in the images of NVIDIA."""
    path = found_server().path
    folders = [path.parents[1] / "lib", *path.parents[min(3, len(path.parents) - 1)].glob("*.libs")]
    libraries = [library for folder in folders for library in folder.glob("libtritonserver*.so")]
    return b"\n".join(each.read_bytes() for each in (path, *libraries))


def triton_says(text: str) -> bool:
    """Whether tritonserver has the text, also without a name at its end."""
    beginning = text.rpartition(" ")[0]
    return any(part.encode() in tritons_programs() for part in (text, beginning) if part.count(" ") > 1)


@pytest.mark.parametrize("quote", quotes(), ids=str)
def test_a_quoted_message_can_be_said(quote: Quote) -> None:
    others = SYSTEM | KUBECTL
    assert [part for part in quote.parts if not (can_be_said(part) or part in others or triton_says(part))] == []


def test_the_quotes_of_every_kind_are_found() -> None:
    found = {(Path(quote.page).stem, quote.text) for quote in quotes()}
    assert {
        ("troubleshoot", "its worker ended while it ran this request"),
        ("troubleshoot", "(rewritten 37 times) 100%|███|"),
        ("troubleshoot", "model m: its worker 812 ended with …; starting another"),
        ("deploy-in-clusters", "Read-only file system"),
        ("operate", "the server is stopping"),
        ("write-a-hook-plugin", "pytriton_check_readiness is not marked; write @hookimpl above it"),
    } <= found


def test_commands_and_blocks_are_no_messages() -> None:
    page = "`python -m build the wheel now`\n```text\n`one two three four`\n```\n`a model waits for work: …`"
    assert quoted_in(page) == ["a model waits for work: …"]


@pytest.mark.parametrize(
    "text",
    [
        "no worker became idle within 30000 ms",
        "its worker ended while it did this request",
        "a batch wants",
        "the stream is bigger than",
        "a third signal ends the wait",
        "its callable threw KeyboardInterrupt",
    ],
)
def test_a_changed_word_is_noticed(text: str) -> None:
    assert not can_be_said(text)
    assert not triton_says(text)


def test_the_strings_of_python_are_whole() -> None:
    source = 'x = f"model {name}: " + "queue is " f"full ({size:g} of" " %.1f)"; log("%s ends", y)'
    assert {f"model {HOLE}: queue is full ({HOLE} of {HOLE})", f"{HOLE} ends"} <= set(python_strings(source))


def test_the_strings_of_c_are_whole() -> None:
    source = 'fail("batch %" PRIu64 " needs "\n  "%s of \\"memory\\"", "x"); say("%.*s left");'
    assert list(c_strings(source)) == [f'batch {HOLE} needs {HOLE} of \\"memory\\"', "x", f"{HOLE} left"]
