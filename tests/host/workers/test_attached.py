"""The daemon's end of the link of an attached worker, without a whole daemon: the test is the other process."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from pytriton_plugins.config.resolver import EffectiveModel
from pytriton_plugins.host.workers.attached import AttachedWorker
from pytriton_plugins.host.workers.worker import NoListener, Worker, WorkerFailed
from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.shm.long import receive_json, send_json
from pytriton_plugins.shm.sockets import socket_pair
from pytriton_plugins.shm.wire import VERSION
from pytriton_plugins.values import ShmPolicy
from tests.support.script.calls import X, Y

DECLARATION = ModelDeclaration("m", 1, "function", "m", (X,), (Y,))
SOON = 0.01
"""Seconds of a timeout that passes."""


class Heard(NoListener):
    """Keeps what the daemon would hear."""

    def __init__(self) -> None:
        self.started: list[int] = []
        self.free: list[int] = []

    def on_worker_start(self, worker: Worker) -> None:
        self.started.append(worker.number)

    def on_slot_free(self, worker: Worker, channel: int) -> None:
        self.free.append(channel)


@asynccontextmanager
async def attached(listener: Heard | None = None) -> AsyncIterator[tuple[AttachedWorker, socket.socket]]:
    """The worker, and the end of its process."""
    ours, theirs = socket_pair()
    with theirs:
        worker = AttachedWorker(1, ours, os.getpid(), listener or Heard())
        try:
            yield worker, theirs
        finally:
            worker.kill()


def last_message(sock: socket.socket) -> dict[str, Any]:
    """The last one before the link ended."""
    last: dict[str, Any] = {}
    while (message := receive_json(sock)[0]) is not None:
        last = message
    return last


def hello(sock: socket.socket) -> None:
    send_json(sock, {"type": "hello", "protocol": VERSION, "package": "1.0", "program": "p.py"})


async def declares_nothing(worker: AttachedWorker, sock: socket.socket) -> None:
    hello(sock)
    await worker.introduced("1.0", SOON)


async def says_nothing(worker: AttachedWorker, sock: socket.socket) -> None:
    await worker.introduced("1.0", SOON)


async def declares_nonsense(worker: AttachedWorker, sock: socket.socket) -> None:
    hello(sock)
    send_json(sock, {"type": "models", "models": [{**DECLARATION.to_json(), "slots": 2.0}]})
    await worker.introduced("1.0", 60)


async def never_gets_ready(worker: AttachedWorker, sock: socket.socket) -> None:
    policy = ShmPolicy()
    model = EffectiveModel(DECLARATION, 1, True, policy, frozenset(), {}, {}, False, 60, SOON)
    await worker.serve(model, ())


async def breaks_the_link(worker: AttachedWorker, sock: socket.socket) -> None:
    send_json(sock, {"type": "failed", "stage": "x", "message": 1})
    await worker.introduced("1.0", 60)


REFUSED: dict[Callable[[AttachedWorker, socket.socket], Awaitable[None]], str] = {
    says_nothing: "it sent no greeting within 0.01 s",
    declares_nothing: "it sent no declaration within 0.01 s",
    declares_nonsense: "its worker's description of its models cannot be read (ValueError: invalid slots 2.0); install",
    never_gets_ready: "its set-up took longer than 0.01 s; raise --load-timeout if it needs more",
    breaks_the_link: "its link broke: its message failed has no message that is a text",
}


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.__name__)
def test_a_process_that_is_refused_learns_why(case: Callable[[AttachedWorker, socket.socket], Awaitable[None]]) -> None:
    """By the daemon's own word, whichever step found it."""

    async def live() -> dict[str, Any]:
        async with attached() as (worker, sock):
            with pytest.raises(WorkerFailed) as failed:
                await case(worker, sock)
            assert str(failed.value).startswith(REFUSED[case])
            worker.reject(str(failed.value))
            return last_message(sock)

    rejected = asyncio.run(live())
    assert rejected["type"] == "rejected"
    assert rejected["message"].startswith(REFUSED[case])


BROKEN: list[dict[str, Any]] = [
    {"type": "failed", "stage": "x", "message": 1},
    {"type": "failed", "stage": None, "message": "x"},
    {"type": "failed", "message": "x"},
    {"type": "free"},
    {"type": "free", "channel": "1"},
    {"type": "free", "channel": True},
    {"type": ["failed"]},
    {"type": {}},
    {},
]


@pytest.mark.parametrize("message", BROKEN, ids=range(len(BROKEN)))
def test_a_message_with_a_wrong_field_ends_the_link(message: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    """With one line in the log, and no traceback."""

    async def live() -> None:
        async with attached() as (worker, sock):
            send_json(sock, message)
            await worker.wait()

    asyncio.run(live())
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "broke" in caplog.records[0].getMessage()


def test_one_that_reads_nothing_is_left(caplog: pytest.LogCaptureFixture) -> None:
    """At once, when its socket is full: the daemon waits for no process that is not its own."""

    async def live() -> str:
        async with attached() as (worker, _):
            for token in range(100_000):
                if not worker.running:
                    break
                worker.answer_need(token, "x" * 1000)
            assert worker.exit is not None
            return worker.exit.description

    assert asyncio.run(live()) == f"the end of its session: process {os.getpid()} does not read its messages"


def test_calls_that_are_late_are_counted_by_channel() -> None:
    """A slot that broke its channel says nothing about a call that is stuck in another one."""

    async def live() -> None:
        heard = Heard()
        async with attached(heard) as (worker, sock):
            worker.was_late(7, "m", "it did not return")
            for channel in (8, 8, 9):
                send_json(sock, {"type": "free", "channel": channel})
            send_json(sock, {"type": "leave"})
            await worker.left()
            assert (worker.is_late, bool(worker.trouble), heard.free) == (True, True, [8, 8, 9])
            send_json(sock, {"type": "free", "channel": 7})
            send_json(sock, {"type": "finished"})
            assert await worker.finished(60)
            assert (worker.is_late, worker.trouble) == (False, "")

    asyncio.run(live())


def test_hooks_learn_of_a_process_once_it_has_greeted() -> None:
    async def live() -> list[int]:
        heard = Heard()
        async with attached(heard) as (worker, sock):
            assert heard.started == []
            hello(sock)
            send_json(sock, {"type": "models", "models": [DECLARATION.to_json()]})
            assert await worker.introduced("1.0", 60) == [DECLARATION]
            return heard.started

    assert asyncio.run(live()) == [1]
