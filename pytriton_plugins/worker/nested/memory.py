"""The call segment of a channel: regions for inputs and results, each free again when nothing refers to it."""

from __future__ import annotations

import mmap
import sys
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pytriton_plugins.shm.segment import Segment
from pytriton_plugins.shm.wire import aligned

_MAX_KEPT = 3
"""Batches in a row of which the callable kept results. After them it gets copies: new segments would cost more."""


class CallSegmentSource(Protocol):
    """Grants call segments."""

    def request_call_segment(self, size: int, replaced: int) -> Segment:
        """A call segment of ``size`` bytes or more in place of the one numbered ``replaced``.

        ``replaced`` is the number of the channel's response segment for the first one. Raises ShmError.
        """


class Region:
    """Bytes ``start`` to ``end`` of a segment; ``in_call`` while a call may read or write them."""

    __slots__ = ("_unreferenced", "bytes", "end", "in_call", "segment", "start")

    def __init__(self, segment: Segment, start: int, size: int) -> None:
        self.segment = segment
        self.start = start
        self.end = start + size
        self.in_call = True
        self.bytes: NDArray[np.uint8] = np.frombuffer(segment.view[start : self.end], np.uint8)
        """Every result in this region has it as its base."""
        self._unreferenced = sys.getrefcount(self.bytes)

    @property
    def is_used(self) -> bool:
        """Whether a call uses it, or an array refers to it."""
        return self.in_call or sys.getrefcount(self.bytes) > self._unreferenced

    def release(self, size: int = 0) -> None:
        """No call uses it any more; its first ``size`` bytes hold results."""
        self.in_call = False
        self.end = min(self.end, self.start + size)


class CallMemory:
    """Holds the call segment, which is replaced by a larger one when it is full.

    A segment that was replaced stays mapped as long as an array refers to it.
    """

    def __init__(self, source: CallSegmentSource, beside: int) -> None:
        """``beside``: the number of the channel's response segment."""
        self._source = source
        self._last = beside
        self._segment: Segment | None = None
        self._regions: list[Region] = []
        """In the order of their places in the segment."""
        self._kept = 0

    @property
    def segment(self) -> Segment | None:
        """The segment that new regions lie in."""
        return self._segment

    @property
    def copies(self) -> bool:
        """Whether results are copied into ordinary memory, because the callable keeps them."""
        return self._kept >= _MAX_KEPT

    def take(self, size: int) -> Region:
        """A region of ``size`` bytes; raises ShmError."""
        size = max(aligned(size), 64)
        index, start = self._gap(size) if self._segment is not None else (-1, 0)
        if index < 0:
            used = sum(region.end - region.start for region in self._regions)
            self._use(self._source.request_call_segment(size + used, self._last))
            index, start = 0, 0
        assert self._segment is not None
        region = Region(self._segment, start, size)
        self._regions.insert(index, region)
        return region

    def position(self, address: int, size: int) -> int:
        """The offset in the segment of ``size`` bytes at ``address``; -1 if they are elsewhere."""
        segment = self._segment
        if segment is None:
            return -1
        at = address - segment.address
        return at if at >= 0 and at + size <= segment.size else -1

    def retire(self) -> None:
        """Use another segment from now on."""
        if self._segment is not None:
            self._segment.close_unsent()
        self._segment = None
        self._regions = []

    def end_batch(self) -> None:
        """The calls of a batch are over: a segment with results that the callable keeps is not used again."""
        self._sweep()
        if self._regions:
            self._kept += 1
            self.retire()
        elif not self.copies:
            self._kept = 0

    def trim(self) -> None:
        """Give the segment's memory back to the system, unless a result is in it."""
        self._sweep()
        if self._segment is not None and not self._regions:
            self._segment.mapping.madvise(mmap.MADV_REMOVE)

    def _use(self, segment: Segment) -> None:
        self.retire()
        self._segment = segment
        self._last = segment.number

    def _gap(self, size: int) -> tuple[int, int]:
        """Where ``size`` bytes are free: the place in the list of regions, and the offset; -1 if nowhere."""
        self._sweep()
        assert self._segment is not None
        start = 0
        for index, region in enumerate(self._regions):
            if region.start - start >= size:
                return index, start
            start = aligned(region.end)
        return (len(self._regions), start) if self._segment.size - start >= size else (-1, 0)

    def _sweep(self) -> None:
        if self._regions:
            self._regions = [region for region in self._regions if region.is_used]
