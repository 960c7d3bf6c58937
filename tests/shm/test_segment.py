"""Segments: no peer can shrink one, and a file without the seals is refused."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator

import pytest

from pytriton_plugins.errors import ProtocolError
from pytriton_plugins.shm.segment import Segment, create_segment_file, touched_bytes

F_ADD_SEALS = 1033


@pytest.fixture
def descriptor() -> Iterator[int]:
    made = create_segment_file(1 << 16)
    yield made
    os.close(made)


@pytest.mark.parametrize("size", [0, 4096, 1 << 17])
def test_a_segment_cannot_be_truncated(descriptor: int, size: int) -> None:
    with pytest.raises(PermissionError):
        os.ftruncate(descriptor, size)
    assert os.fstat(descriptor).st_size == 1 << 16


def test_seals_cannot_be_added_or_removed(descriptor: int) -> None:
    with pytest.raises(PermissionError):
        fcntl.fcntl(descriptor, F_ADD_SEALS, 0x8)


def test_a_segment_is_not_inherited_and_has_no_name(descriptor: int) -> None:
    assert not os.get_inheritable(descriptor)
    assert os.fstat(descriptor).st_nlink == 0


@pytest.mark.parametrize("seals", [0x0, 0x1, 0x1 | 0x2, 0x1 | 0x4, 0x2 | 0x4])
def test_a_file_that_lacks_a_seal_is_refused(seals: int) -> None:
    unsealed = os.memfd_create("unsealed", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.ftruncate(unsealed, 4096)
        fcntl.fcntl(unsealed, F_ADD_SEALS, seals)
        with pytest.raises(ProtocolError, match="segment 3: its descriptor lacks the seals SHRINK, GROW and SEAL"):
            Segment(3, unsealed, writable=False)
    finally:
        os.close(unsealed)


def test_a_descriptor_that_is_not_a_memory_file_is_refused() -> None:
    ends = os.pipe()
    try:
        with pytest.raises(ProtocolError, match="segment 3: its descriptor lacks the seals"):
            Segment(3, ends[0], writable=False)
    finally:
        for end in ends:
            os.close(end)


def test_both_ends_see_the_same_bytes(descriptor: int) -> None:
    writer, reader = Segment(1, descriptor, writable=True), Segment(1, descriptor, writable=False)
    writer.bytes[100:104] = [1, 2, 3, 4]
    assert bytes(reader.view[100:104]) == b"\1\2\3\4"
    assert reader.size == writer.size == 1 << 16
    with pytest.raises(TypeError):
        reader.view[0] = 1


def test_pages_cost_memory_only_once_touched(descriptor: int) -> None:
    assert touched_bytes(descriptor) == 0
    Segment(1, descriptor, writable=True).bytes[5000] = 1
    assert touched_bytes(descriptor) == 4096
