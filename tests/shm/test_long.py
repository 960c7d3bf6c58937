"""Messages of a link that are too long for one packet."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest

from pytriton_plugins.errors import ProtocolError
from pytriton_plugins.shm.long import MAX_LONG, receive_json, sealed_content, sealed_file, send_json
from pytriton_plugins.shm.segment import create_segment_file
from pytriton_plugins.shm.sockets import send, socket_pair
from pytriton_plugins.shm.wire import MAX_MESSAGE

Pair = tuple[socket.socket, socket.socket]
AROUND = MAX_MESSAGE - len('{"type": "t", "x": ""}')
"""How long a text makes the longest message that fits into a packet."""


@pytest.fixture
def pair() -> Iterator[Pair]:
    ours, theirs = socket_pair()
    with ours, theirs:
        yield ours, theirs


def open_files() -> set[str]:
    """With that of the folder itself; those of earlier tests' threads may be closed at any time."""
    return set(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize("length", [0, AROUND, AROUND + 1, 1 << 20])
def test_a_message_of_any_length_arrives(pair: Pair, length: int) -> None:
    before = open_files()
    send_json(pair[0], {"type": "t", "x": "x" * length})
    send_json(pair[0], {"type": "next"})
    assert receive_json(pair[1]) == ({"type": "t", "x": "x" * length}, [])
    assert receive_json(pair[1]) == ({"type": "next"}, [])
    pair[0].close()
    assert receive_json(pair[1]) == (None, [])
    assert open_files() < before


def test_a_message_beyond_the_limit_is_refused_before_it_is_sent(pair: Pair) -> None:
    with pytest.raises(ProtocolError, match=rf"its message 'models' has .* bytes, at most {MAX_LONG} are allowed"):
        send_json(pair[0], {"type": "models", "x": "x" * MAX_LONG})


def test_only_a_sealed_file_is_read() -> None:
    """A file without seals could change while it is read, and a pipe could block its reader."""
    read_end, write_end = os.pipe()
    segment = create_segment_file(4096)
    large = sealed_file(bytes(MAX_LONG + 1))
    for descriptor in (read_end, segment, large):
        with pytest.raises(ProtocolError, match=r"a long message of .* bytes in a file with the seals"):
            sealed_content(descriptor)
    for descriptor in (read_end, write_end, segment, large):
        os.close(descriptor)


def test_a_file_that_cannot_be_read_is_closed(pair: Pair) -> None:
    before = open_files()
    segment = create_segment_file(4096)
    send(pair[0], b'{"type": "long"}', (segment, segment))
    os.close(segment)
    with pytest.raises(ProtocolError):
        receive_json(pair[1])
    send_json(pair[0], {"type": "t", "x": "x" * MAX_MESSAGE})
    with pytest.raises(ProtocolError):
        receive_json(pair[1], 0)
    assert open_files() <= before


def test_descriptors_of_an_invalid_message_are_closed(pair: Pair) -> None:
    before = open_files()
    segment = create_segment_file(4096)
    send(pair[0], b"{", (segment, segment))
    os.close(segment)
    with pytest.raises(ValueError, match="Expecting property name"):
        receive_json(pair[1])
    assert open_files() <= before
