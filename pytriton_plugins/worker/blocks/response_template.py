"""The response block of a batch whose result has a known layout, and where a block lies."""

from __future__ import annotations

from typing import NamedTuple


class BlockPosition(NamedTuple):
    """Where the response block of a batch lies in the segment, in bytes."""

    offset: int
    length: int


Layout = tuple[tuple[int, ...] | int, ...]
"""The shape of each output; after the shape of a large one its place in memory that the backend has already, or -1.

For all places in the call segment it is the same: those change with the calls, and are written into the block.
"""


class ResponseTemplate:
    """The block of a batch without failures, and the start and end of each output.

    The end is 0 for an output that stays where it is: in the memory of an input or of a call, or in the response.
    """

    __slots__ = ("block", "end", "in_calls", "offset", "places", "position")

    def __init__(
        self, places: list[tuple[int, int]], in_calls: list[tuple[int, int]], block: bytes, offset: int, end: int
    ) -> None:
        self.places = places
        self.in_calls = in_calls
        """The outputs that stay in the call segment: their number, and where in the segment their offset is written."""
        self.block = block
        self.offset = offset
        self.end = end
        self.position = BlockPosition(offset, len(block))


Templates = dict[Layout, ResponseTemplate]
"""The templates for batches with one request block, by the layout of the callable's result."""
