"""Details of requests as the worker reads them, and parameters of responses."""

from __future__ import annotations

import contextlib
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytriton_plugins.errors import ProtocolError
from pytriton_plugins.shm.details import Detail, is_cancelled, read_details
from pytriton_plugins.testing.blocks import pack_details
from tests.support.backend.golden import golden

DETAILS = golden("request", "details")[29:]
READ = [
    Detail("r-1", 7, (("text", "é"), ("whole", -7), ("yes", True), ("part", 0.5)), 1_500_000, sequence_start=True),
    Detail("", "seq", sequence_end=True),
]


def test_the_vector_is_read_wherever_it_stands() -> None:
    assert read_details(memoryview(DETAILS), 0) == READ
    assert read_details(memoryview(b"\xff" * 448 + DETAILS + b"\xff" * 64), 448) == READ


def test_details_of_which_there_is_nothing_to_say() -> None:
    assert read_details(memoryview(golden("request", "apart_tensors")), 288) == [Detail(), Detail()]


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_flags_are_read_where_they_are_written(count: int) -> None:
    """An odd number of flags is padded to a multiple of 8 bytes."""
    details = bytearray(b"\0" * 8 + pack_details([Detail(str(place)) for place in range(count)]))
    for place in range(count):
        details[8 + 16 + 4 * place] = 1
        flags = [is_cancelled(memoryview(details), 8, each) for each in range(count)]
        assert flags == [each == place for each in range(count)]
        assert [each.id for each in read_details(memoryview(details), 8)] == [str(each) for each in range(count)]
        details[8 + 16 + 4 * place] = 0


@pytest.mark.parametrize("length", range(len(DETAILS) - 5))
def test_details_that_are_cut_are_refused(length: int) -> None:
    """The last five bytes are padding."""
    with pytest.raises(ProtocolError, match="channel: details of requests cannot be read: "):
        read_details(memoryview(DETAILS[:length]), 0)


def test_text_that_is_not_utf8_is_text_all_the_same() -> None:
    details = DETAILS.replace(b"r-1", b"r\xff1").replace("é".encode(), b"\xc3(")
    (first, _) = read_details(memoryview(details), 0)
    assert (first.id, first.parameters[0]) == ("r\ufffd1", ("text", "\ufffd("))


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
values = texts | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False)
details_of_one = st.builds(
    Detail,
    texts,
    st.integers(0, 2**64 - 1) | texts.filter(bool),
    st.lists(st.tuples(texts, values), max_size=5).map(tuple),
    st.integers(0, 2**64 - 1),
    st.booleans(),
    st.booleans(),
)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.lists(details_of_one, min_size=1, max_size=5))
def test_all_written_details_are_read(details: list[Detail]) -> None:
    found = read_details(memoryview(pack_details(details)), 0)
    assert found == details
    for one, other in zip(found, details, strict=True):
        assert [type(value) for _, value in one.parameters] == [type(value) for _, value in other.parameters]


extreme = st.sampled_from([0, 1, 2, 8, 32, 2**31, 2**32 - 1, 2**63 - 1, 2**64 - 1])
change = st.tuples(st.integers(0, len(DETAILS) - 1), st.sampled_from([1, 2, 4, 8]), extreme | st.integers(0, 2**64 - 1))


@settings(max_examples=2000, deadline=None, derandomize=True)
@given(st.lists(change, min_size=1, max_size=4), st.integers(0, len(DETAILS)), st.integers(0, 2**32))
def test_details_changed_at_random(changes: list[tuple[int, int, int]], offset: int, place: int) -> None:
    """Changed details are read or refused."""
    content = bytearray(DETAILS)
    for at, size, number in changes:
        content[at : at + size] = (number % (1 << 8 * size)).to_bytes(size, "little")
    view = memoryview(bytes(content))
    for start in (0, offset):
        with contextlib.suppress(ProtocolError):
            for detail in read_details(view, start):
                assert len(detail.id) + sum(len(name) for name, _ in detail.parameters) <= len(content)
        with contextlib.suppress(struct.error):
            assert is_cancelled(view, start, place) in (False, True)


@settings(max_examples=500, deadline=None, derandomize=True)
@given(st.binary(max_size=200))
def test_bytes_of_any_kind(content: bytes) -> None:
    with contextlib.suppress(ProtocolError):
        read_details(memoryview(content), 0)
