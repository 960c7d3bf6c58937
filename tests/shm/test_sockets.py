"""Messages with descriptors: cut ones, several descriptors, a full socket, the end of a link."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from pytriton_plugins.errors import ProtocolError
from pytriton_plugins.shm.sockets import receive, send, socket_pair

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    ours, theirs = socket_pair()
    with ours, theirs:
        yield ours, theirs


def open_descriptors() -> set[str]:
    """With that of the folder itself; those of earlier tests' threads may be closed at any time."""
    return set(os.listdir("/proc/self/fd"))


def fill(end: socket.socket) -> int:
    """Send until the socket is full; returns the number of messages."""
    sent = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            end.send(b"x" * 1000, socket.MSG_DONTWAIT)
            sent += 1
    return sent


@pytest.mark.parametrize("count", [0, 1, 2, 4])
def test_descriptors_come_with_their_message(pair: Pair, count: int) -> None:
    files = [os.memfd_create(f"file {number}") for number in range(count)]
    for number, file in enumerate(files):
        os.write(file, b"%d" % number)
    send(pair[0], b"message", tuple(files))
    send(pair[0], b"next")
    data, received = receive(pair[1])
    assert data == b"message"
    assert [os.pread(file, 9, 0) for file in received] == [b"%d" % number for number in range(count)]
    assert not any(os.get_inheritable(file) for file in received)
    assert receive(pair[1]) == (b"next", [])
    for file in (*files, *received):
        os.close(file)


def test_a_message_that_was_cut_is_refused_and_leaves_no_descriptor(pair: Pair) -> None:
    send(pair[0], b"x" * 100, (0, 1))
    before = open_descriptors()
    with pytest.raises(ProtocolError, match="a message on a link was cut"):
        receive(pair[1], 99)
    assert open_descriptors() <= before


def test_too_many_descriptors_are_refused_and_none_stays_open(pair: Pair) -> None:
    send(pair[0], b"x", (0, 1, 2, 0, 1))
    before = open_descriptors()
    with pytest.raises(ProtocolError, match="a message on a link was cut"):
        receive(pair[1])
    assert open_descriptors() <= before


def test_a_message_of_exactly_the_size_is_whole(pair: Pair) -> None:
    send(pair[0], b"x" * 40)
    assert receive(pair[1], 40) == (b"x" * 40, [])


def test_the_end_of_a_link(pair: Pair) -> None:
    send(pair[0], b"last words")
    pair[0].close()
    assert receive(pair[1]) == (b"last words", [])
    assert receive(pair[1]) == (b"", [])


def test_last_words_are_heard_even_when_the_peer_left_ours_unread(pair: Pair) -> None:
    send(pair[1], b"never read")
    send(pair[0], b"last words")
    pair[0].close()
    assert receive(pair[1]) == (b"last words", [])
    assert receive(pair[1]) == (b"", [])


def test_sending_to_a_closed_end_is_an_error_and_no_signal(pair: Pair) -> None:
    pair[1].close()
    with pytest.raises(BrokenPipeError):
        send(pair[0], b"hello")


def test_a_peer_that_does_not_read_costs_no_more_than_the_deadline(pair: Pair) -> None:
    fill(pair[0])
    started = time.monotonic()
    with pytest.raises(TimeoutError, match="does not read"):
        send(pair[0], b"x", deadline=0.1)
    assert 0.1 <= time.monotonic() - started < 30


def test_a_full_socket_is_waited_for(pair: Pair) -> None:
    sent = fill(pair[0])
    reader = threading.Thread(target=lambda: [pair[1].recv(2000) for _ in range(sent)])
    reader.start()
    send(pair[0], b"made it", deadline=60.0)
    reader.join()
    assert receive(pair[1]) == (b"made it", [])
