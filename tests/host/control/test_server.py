"""The daemon's control socket: its answers, its limits, and clients that break the protocol."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import stat
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from pytriton_plugins.errors import ControlError
from pytriton_plugins.host.control import server as control_socket
from pytriton_plugins.host.control.paths import CONTROL_SOCKET
from pytriton_plugins.host.control.server import ControlServer, Progress, Request

SOON = 60.0
"""Seconds after which a wait of these tests fails."""


async def echo(request: Request, progress: Progress) -> Mapping[str, Any]:
    for step in range(int(request.get("steps", 0))):
        progress(f"step {step}")
    return {"said": request["text"]}


async def refuse(request: Request, progress: Progress) -> Mapping[str, Any]:
    raise ControlError("not\nnow \x1b[31m")


async def fail(request: Request, progress: Progress) -> Mapping[str, Any]:
    raise ZeroDivisionError


@contextlib.asynccontextmanager
async def answering(folder: Path) -> AsyncIterator[str]:
    """The path of a control socket that answers."""
    control = ControlServer(folder, {"echo": echo, "refuse": refuse, "fail": fail})
    control.open()
    try:
        yield str(folder / CONTROL_SOCKET)
    finally:
        control.close()


async def responses(path: str, data: bytes) -> list[Any]:
    """All answers to ``data``, until the daemon ends the connection or sends no more."""
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(data)
    with contextlib.suppress(ConnectionError):
        await writer.drain()
        writer.write_eof()
    lines = []
    with contextlib.suppress(ConnectionError):
        async for line in reader:
            lines.append(json.loads(line))
    writer.close()
    return lines


def line(**question: Any) -> bytes:
    return json.dumps(question).encode() + b"\n"


async def answers(folder: Path, data: bytes) -> list[Any]:
    async with answering(folder) as path:
        return await asyncio.wait_for(responses(path, data), SOON)


def test_questions_are_answered_one_after_the_other(tmp_path: Path) -> None:
    data = line(command="echo", text="a", steps=2) + line(command="echo", text="b")
    expected = [{"progress": "step 0"}, {"progress": "step 1"}, {"said": "a"}, {"said": "b"}]
    assert asyncio.run(answers(tmp_path, data)) == expected


@pytest.mark.parametrize(
    "data",
    [b"{}\n", b"\n", b"[]\n", b"7\n", b"\xff\n", line(command="no-such"), line(command=[]), b"[" * 4000 + b"\n"],
)
def test_an_invalid_request_is_answered_with_an_error(tmp_path: Path, data: bytes) -> None:
    """An invalid request gets an error, and the next request is answered."""
    wrong, right = asyncio.run(answers(tmp_path, data + line(command="echo", text="still there")))
    assert wrong["error"].startswith("unknown command: ")
    assert wrong["error"].isprintable()
    assert right == {"said": "still there"}


def test_a_refusal_is_one_line_and_a_mistake_of_ours_stands_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refusal is sent as one line; an internal error is sent without details and logged."""
    monkeypatch.setattr(logging.getLogger("pytriton"), "propagate", True)
    refused, failed = asyncio.run(answers(tmp_path, line(command="refuse") + line(command="fail")))
    assert refused == {"error": "not now \\x1b[31m"}
    assert failed == {"error": "internal error; see the daemon's log"}
    assert "ZeroDivisionError" in caplog.text


def test_a_line_without_end_ends_the_connection(tmp_path: Path) -> None:
    data = b" " * (control_socket.MAX_REQUEST * 4) + line(command="echo", text="a")
    assert asyncio.run(answers(tmp_path, data)) == []


def test_half_a_question_is_not_answered(tmp_path: Path) -> None:
    """A request without a line end is not answered."""
    assert asyncio.run(answers(tmp_path, line(command="echo", text="a")[:-1])) == []


def test_a_silent_client_blocks_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that sends no complete request in time is disconnected."""
    monkeypatch.setattr(control_socket, "REQUEST_TIMEOUT", 0.1)

    async def silent() -> bytes:
        async with answering(tmp_path) as path:
            reader, writer = await asyncio.open_unix_connection(path)
            writer.write(b'{"command": ')
            try:
                return await asyncio.wait_for(reader.read(), SOON)
            finally:
                writer.close()

    assert asyncio.run(silent()) == b""


def test_a_client_that_does_not_read_blocks_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that does not read its responses is disconnected, and others are answered."""
    monkeypatch.setattr(control_socket, "RESPONSE_TIMEOUT", 0.1)
    monkeypatch.setattr(control_socket, "MAX_REQUEST", 1 << 20)

    async def deaf() -> None:
        async with answering(tmp_path) as path:
            _, writer = await asyncio.open_unix_connection(path, limit=1)
            with contextlib.suppress(ConnectionError):
                for _ in range(64):
                    writer.write(line(command="echo", text="x" * (1 << 18)))
                    await asyncio.wait_for(writer.drain(), SOON)
            writer.close()
            assert await responses(path, line(command="echo", text="next")) == [{"said": "next"}]

    asyncio.run(deaf())


def test_more_connections_than_may_be_are_ended(tmp_path: Path) -> None:
    """A connection above the limit is closed; once others have ended, new ones are accepted."""

    async def crowd() -> tuple[list[Any], list[Any]]:
        async with answering(tmp_path) as path:
            held = [await asyncio.open_unix_connection(path) for _ in range(control_socket.MAX_CONNECTIONS)]
            for reader, writer in held:
                writer.write(line(command="echo", text="a"))
                await reader.readline()
            refused = await responses(path, line(command="echo", text="b"))
            for reader, writer in held:
                writer.write_eof()
                await reader.read()
                writer.close()
            return refused, await responses(path, line(command="echo", text="c"))

    assert asyncio.run(asyncio.wait_for(crowd(), SOON)) == ([], [{"said": "c"}])


def test_the_socket_is_its_users_alone(tmp_path: Path) -> None:
    """The mode of the socket is 0600, whatever the umask."""

    async def mode() -> int:
        async with answering(tmp_path) as path:
            return stat.S_IMODE(os.stat(path).st_mode)

    before = os.umask(0o022)
    try:
        assert asyncio.run(mode()) == 0o600
    finally:
        os.umask(before)


def test_a_folder_with_a_long_path(tmp_path: Path) -> None:
    """The socket can be made in a folder whose path is longer than a socket address."""
    folder = tmp_path / ("long" * 40)
    folder.mkdir()

    async def there() -> bool:
        async with answering(folder) as path:
            return os.path.exists(path)

    assert asyncio.run(there())
