"""The worker's loop with inputs in a client's own memory: views, kept inputs, recalled loans."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pytriton_plugins import RequestError, Tensor
from pytriton_plugins.errors import ShmError
from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.shm.loan import Loan
from pytriton_plugins.shm.segment import Segment
from pytriton_plugins.testing.channel import ChannelEnd
from pytriton_plugins.testing.served import ServedChannel, open_channel
from pytriton_plugins.worker.calling.errors import RequestFailure
from tests.support.sandbox.leftovers import CLIENT_MEMORY

Array = NDArray[Any]
SIZE = 10_000
X = Tensor("x", np.float32, (-1,))
BIAS = Tensor("bias", np.float32, (-1,), optional=True)
MODEL = ModelDeclaration("m", 1, "function", "m", (X, BIAS), (Tensor("y", np.float32, (-1,)),), max_batch_size=64)
STEP = 40_064
"""Bytes from one array to the next: a multiple of 64, not of a page."""


class Client:
    """A file in /dev/shm with some arrays of ``SIZE`` floats, and its own view of them."""

    def __init__(self, path: Path, arrays: int = 3) -> None:
        self.path = path
        self.descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        os.ftruncate(self.descriptor, arrays * STEP)
        self.memory: NDArray[np.uint8] = np.memmap(path, np.uint8, "r+")

    def array(self, place: int = 0) -> Array:
        return self.memory[place * STEP :][: 4 * SIZE].view(np.float32).reshape(1, SIZE)

    def end(self) -> None:
        os.close(self.descriptor)
        self.path.unlink()


@pytest.fixture
def clients() -> Iterator[Callable[[], Client]]:
    made: list[Client] = []

    def new() -> Client:
        made.append(Client(Path(f"/dev/shm/{CLIENT_MEMORY}{os.getpid()}-{len(made)}")))
        return made[-1]

    yield new
    for client in made:
        client.end()


def result(channel: ChannelEnd, **arrays: Array) -> Array:
    (outcome,) = channel.send(arrays).outcomes
    assert not isinstance(outcome, RequestFailure), outcome
    return outcome["y"]


def mapped(client: Client) -> int:
    """How often this process maps the client's file, without the client's own view of it."""
    return Path("/proc/self/maps").read_text().count(f"{client.path}\n") - 1


def opened(client: Client) -> int:
    """The number of this process's descriptors of the client's file, without the client's own two."""
    file = os.fstat(client.descriptor)
    count = 0
    for descriptor in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            count += os.path.samestat(os.stat(f"/proc/self/fd/{descriptor}"), file)
    return count - 2


def test_the_callable_reads_the_clients_memory(clients: Callable[[], Client]) -> None:
    seen: list[int] = []

    def function(x: Array, bias: Array | None = None) -> Array:
        seen.append(x.ctypes.data)
        assert not x.flags.writeable
        return x + 1 if bias is None else x + bias

    one, other = clients(), clients()
    with open_channel(MODEL, function, size=1 << 18) as channel:
        one.array()[:] = 1
        assert (result(channel, x=one.array()) == 2).all()
        channel.lend(1, one.descriptor, one.memory)
        channel.lend(2, other.descriptor, other.memory)
        for value in range(3):
            one.array()[:] = value
            one.array(1)[:] = 10
            other.array(2)[:] = 100
            assert (result(channel, x=one.array()) == value + 1).all()
            assert (result(channel, x=other.array(2), bias=one.array()) == 100 + value).all()
            assert (result(channel, x=one.array(), bias=one.array(1)) == 10 + value).all()
            assert (result(channel, x=one.array(), bias=np.full((1, SIZE), 5, np.float32)) == 5 + value).all()
            assert channel.given_back == 0
        assert len(set(seen[1:])) == 2


def test_a_lent_input_that_is_given_back_is_not_copied(clients: Callable[[], Client]) -> None:
    client = clients()
    with open_channel(MODEL, lambda x, bias=None: x if bias is None else bias, size=1 << 18) as channel:
        channel.lend(3, client.descriptor, client.memory)
        for value in range(4):
            client.array(1)[:] = value
            client.array(2)[:] = -value
            assert (result(channel, x=client.array(1)) == value).all()
            assert channel.given_back == (value > 0)
            assert (result(channel, x=client.array(1), bias=client.array(2)) == -value).all()
            assert (result(channel, x=np.full((1, SIZE), 7, np.float32)) == 7).all()
            assert channel.given_back == (value > 0)


def test_kept_inputs_do_not_change_with_the_clients_memory(clients: Callable[[], Client]) -> None:
    """A kept input is copied into the worker's own memory; after three in a row the callable gets copies."""
    kept: list[Array] = []

    def function(x: Array, bias: Array | None = None) -> Array:
        kept.append(x[:, ::2])
        return x

    client = clients()
    with open_channel(MODEL, function, size=1 << 18) as channel:
        for value in range(6):
            channel.lend(1, client.descriptor, client.memory)
            client.array(value % 3)[:] = np.arange(SIZE) + value
            answered = channel.send({"x": client.array(value % 3)})
            assert answered.retired == (value < 3)
            client.memory[:] = 0xFF
            for number, array in enumerate(kept):
                np.testing.assert_array_equal(array[0], np.arange(0, SIZE, 2) + number)


def test_nothing_of_a_kept_loan_holds_the_clients_file(clients: Callable[[], Client]) -> None:
    """A kept input keeps neither a mapping nor a descriptor of the client's file."""
    kept: list[Array] = []
    client = clients()

    def function(x: Array) -> Array:
        kept.append(x)
        return x

    with open_channel(MODEL, function, size=1 << 18) as channel:
        channel.lend(1, client.descriptor, client.memory)
        client.array()[:] = 3
        assert channel.send({"x": client.array()}).retired
        assert (mapped(client), opened(client)) == (0, 0)
        assert (kept[0] == 3).all()


def test_a_loan_that_is_called_in_is_let_go(clients: Callable[[], Client]) -> None:
    """The worker unmaps a loan that is recalled."""
    one, other = clients(), clients()
    with open_channel(MODEL, lambda x: x + 1, size=1 << 18) as channel:
        channel.lend(1, one.descriptor, one.memory)
        channel.lend(2, other.descriptor, other.memory)
        for _ in range(2):
            result(channel, x=one.array())
            result(channel, x=other.array())
        assert (mapped(one), mapped(other)) == (1, 1)
        channel.call_in(1)
        other.array()[:] = 5
        assert (result(channel, x=other.array()) == 6).all()
        assert (mapped(one), mapped(other)) == (0, 1)
        channel.lend(2, one.descriptor, one.memory)
        one.array()[:] = 8
        assert (result(channel, x=one.array()) == 9).all()
        assert (mapped(one), mapped(other)) == (1, 0)


def test_a_callable_that_fails_releases_its_loans(clients: Callable[[], Client]) -> None:
    """A callable that raises does not keep lent inputs."""

    def function(x: Array) -> Array:
        raise RequestError("no")

    client = clients()
    with open_channel(MODEL, function, size=1 << 18) as channel:
        channel.lend(1, client.descriptor, client.memory)
        for _ in range(5):
            answered = channel.send({"x": client.array()})
            assert not answered.retired
            assert isinstance(answered.outcomes[0], RequestFailure)


def test_only_what_is_kept_is_copied_and_no_memory_is_reserved(clients: Callable[[], Client]) -> None:
    """A window may be much larger than the inputs in it."""
    client = clients()
    os.ftruncate(client.descriptor, 1 << 36)
    loan = Loan(client.descriptor, 0, 1 << 36)
    os.pwrite(client.descriptor, b"kept", 1 << 35)
    loan.keep([(1 << 35, (1 << 35) + 4)])
    os.pwrite(client.descriptor, b"gone", 1 << 35)
    assert loan.bytes[1 << 35 : (1 << 35) + 4].tobytes() == b"kept"
    assert loan.bytes[0] == 0


def test_a_file_that_ends_inside_its_last_page(clients: Callable[[], Client]) -> None:
    """The rest of the last page reads as zeros; the file may also have become shorter or empty."""
    client = clients()
    os.ftruncate(client.descriptor, 5000)
    os.pwrite(client.descriptor, b"end", 4997)
    loan = Loan(client.descriptor, 4096, 4096)
    loan.keep([(0, 904)])
    assert loan.bytes[900:908].tobytes() == b"\0end\0\0\0\0"
    os.ftruncate(client.descriptor, 0)
    Loan(client.descriptor, 4096, 4096)


def test_an_input_of_each_kind_is_kept(clients: Callable[[], Client]) -> None:
    """One input in the request segment and one lent input."""
    kept: list[Array] = []

    def function(x: Array, bias: Array) -> Array:
        kept.extend((x, bias))
        return x + bias

    client = clients()
    with open_channel(MODEL, function, size=1 << 18) as channel:
        channel.lend(1, client.descriptor, client.memory)
        client.array()[:] = 3
        assert channel.send({"x": np.full((1, SIZE), 4, np.float32), "bias": client.array()}).retired
        client.memory[:] = 0xFF
        assert (kept[0] == 4).all()
        assert (kept[1] == 3).all()
        assert mapped(client) == 0


def test_a_response_without_memory_fails_in_every_batch(
    clients: Callable[[], Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A response for which there is no memory fails in every batch."""
    client = clients()

    def refuse(end: ChannelEnd, size: int, replaced: int) -> Segment:
        raise ShmError("no more")

    monkeypatch.setattr(ServedChannel, "request_segment", refuse)
    # pytest keeps what is logged, and with the error its frames and the input.
    monkeypatch.setattr(logging.getLogger("pytriton.worker"), "disabled", True)
    with open_channel(MODEL, lambda x: x, size=1 << 14) as channel:
        channel.lend(1, client.descriptor, client.memory)
        for _ in range(3):
            (outcome,) = channel.send({"x": client.array()}).outcomes
            assert isinstance(outcome, RequestFailure)
            assert channel.given_back == 0
