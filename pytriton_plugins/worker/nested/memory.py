"""The call segment of a channel: regions for inputs and results, each free again when nothing refers to it."""

from __future__ import annotations

import contextlib
import mmap
from sys import getrefcount
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pytriton_plugins.errors import ShmError
from pytriton_plugins.shm.segment import Segment
from pytriton_plugins.shm.wire import ALIGNMENT, aligned

_MAX_KEPT = 3
"""Batches in a row of which the callable kept results. After them it gets copies: new segments would cost more."""

_MAX_KNOWN, _MAX_REPEATS = 64, 8
"""Regions that are kept for calls like earlier ones, and in each of them messages and answers."""


class CallSegmentSource(Protocol):
    """Grants call segments."""

    def request_call_segment(self, size: int, replaced: int) -> Segment:
        """A call segment of ``size`` bytes or more in place of the one numbered ``replaced``.

        ``replaced`` is the number of the channel's response segment for the first one. Raises ShmError.
        """


class ResponseSegment(Protocol):
    """Knows the response segment of the channel, which may be replaced."""

    segment: Segment


class Region:
    """Bytes ``start`` to ``end`` of a segment; ``in_call`` while a call may read or write them.

    Inputs come first, and from ``area`` on results. A region that is free can be used again.
    """

    __slots__ = ("answers", "area", "bytes", "end", "in_call", "origin", "segment", "sent", "start", "unreferenced")

    def __init__(self, segment: Segment, start: int, size: int, inputs: int) -> None:
        self.segment = segment
        self.start = self.origin = start
        self.area = start + inputs
        self.end = start + size
        self.in_call = True
        self.sent: dict[object, Any] = {}
        """By the template of their inputs, which were in this region: a `Sent` for each."""
        self.answers: dict[bytes, Any] = {}
        """By the payload of a result, which was in this region: an `Answer` for each."""
        self.bytes: NDArray[np.uint8] = np.frombuffer(segment.view[start : self.end], np.uint8)
        """From ``origin`` on; every result in this region has it as its base."""
        self.unreferenced = getrefcount(self.bytes)

    def add_sent(self, key: object, sent: object) -> None:
        """Remember a message."""
        if len(self.sent) >= _MAX_REPEATS:
            self.sent.clear()
        self.sent[key] = sent

    def add_answer(self, payload: bytes, answer: Any) -> None:
        """Remember a result, whose arrays are views of `bytes`."""
        if payload in self.answers:
            return
        if len(self.answers) >= _MAX_REPEATS:
            self.unreferenced -= sum(len(known.arrays) for known in self.answers.values())
            self.answers.clear()
        self.answers[payload] = answer
        self.unreferenced += len(answer.arrays)

    @property
    def is_used(self) -> bool:
        """Whether a call uses it, or an array refers to it."""
        return self.in_call or getrefcount(self.bytes) > self.unreferenced

    def release(self, end: int = 0) -> None:
        """No call uses it any more; it holds results up to ``end``."""
        self.in_call = False
        self.start = self.area
        self.end = max(self.start, min(self.end, end))


class CallMemory:
    """Holds the call segment, which is replaced by a larger one when it is full.

    A segment that was replaced stays mapped as long as an array refers to it.
    """

    def __init__(self, source: CallSegmentSource, beside: ResponseSegment) -> None:
        """``beside``: knows the channel's response segment."""
        self._source = source
        self._beside = beside
        self._last = 0
        """The number of the last segment; 0: there was none."""
        self._segment: Segment | None = None
        self._regions: list[Region] = []
        """In the order of their places in the segment."""
        self._known: dict[tuple[int, int, int], Region] = {}
        """By start, bytes of inputs and size, regions of the segment for calls like earlier ones."""
        self._replaced: list[Region] = []
        """Those of the batch in segments that were replaced."""
        self._kept = 0
        self._refusal: tuple[int, ShmError] | None = None
        """The smallest size that the running batch did not get, and why: it is not asked for again."""

    @property
    def segment(self) -> Segment | None:
        """The segment that new regions lie in."""
        return self._segment

    @property
    def copies(self) -> bool:
        """Whether results are copied into ordinary memory: the callable keeps them, or this memory is short."""
        return self._kept >= _MAX_KEPT or self._refusal is not None

    def take(self, inputs: int, area: int) -> Region:
        """A region of ``inputs`` bytes, a multiple of 64, and an area for results; raises ShmError."""
        size = inputs + max(aligned(area), ALIGNMENT)
        index, start = self._gap(size) if self._segment is not None else (-1, 0)
        if index < 0:
            self._use(self._larger(size))
            index, start = 0, 0
        assert self._segment is not None
        key = start, inputs, size
        return self._renewed(index, key) or self._new(index, key)

    def again(self, inputs: int, area: int) -> Region | None:
        """What `take` would return, if that was there before."""
        if self._segment is None:
            return None
        size = inputs + max((area + ALIGNMENT - 1) & -ALIGNMENT, ALIGNMENT)
        index, start = self._gap(size) if self._regions else (0, 0)
        return self._renewed(index, (start, inputs, size)) if index >= 0 else None

    def _renewed(self, index: int, key: tuple[int, int, int]) -> Region | None:
        region = self._known.get(key)
        if region is None or region.in_call or getrefcount(region.bytes) > region.unreferenced:
            return None
        region.start, region.end, region.in_call = region.origin, region.origin + key[2], True
        self._regions.insert(index, region)
        return region

    def _new(self, index: int, key: tuple[int, int, int]) -> Region:
        assert self._segment is not None
        start, inputs, size = key
        region = Region(self._segment, start, size, inputs)
        self._regions.insert(index, region)
        if len(self._known) >= _MAX_KNOWN:
            self._known.clear()
        self._known[key] = region
        return region

    def split(self, region: Region) -> Region:
        """The area of a region of inputs as a region of its own."""
        area = Region(region.segment, region.area, region.end - region.area, 0)
        region.end = region.area
        self._regions.insert(self._regions.index(region) + 1, area)
        return area

    def retire(self) -> None:
        """Use another segment from now on."""
        if self._segment is not None:
            self._segment.close_unsent()
        self._segment = None
        self._replaced += self._regions
        self._regions = []
        self._known.clear()

    def end_batch(self) -> None:
        """The calls of a batch are over: a segment with results that the callable keeps is not used again."""
        self._sweep()
        if not (self._regions or self._replaced or self._kept or self._refusal is not None):
            return
        is_kept = bool(self._regions) or (bool(self._replaced) and any(region.is_used for region in self._replaced))
        if self._regions:
            self.retire()
        self._replaced.clear()
        if is_kept:
            self._kept += 1
        elif self._kept < _MAX_KEPT:
            self._kept = 0
        self._refusal = None

    def close(self) -> None:
        """The channel has ended: only arrays still refer to segments."""
        self.retire()
        self._replaced.clear()

    def trim(self) -> None:
        """Give the segment's memory back to the system, unless a result is in it."""
        self._sweep()
        if self._segment is not None and not self._regions:
            self._segment.mapping.madvise(mmap.MADV_REMOVE)

    def _use(self, segment: Segment) -> None:
        self.retire()
        self._segment = segment
        self._last = segment.number

    def _larger(self, size: int) -> Segment:
        """A segment with room for ``size`` bytes, and for all that is used now: what is kept counts too."""
        self._replaced = [region for region in self._replaced if region.is_used]
        needed = size + sum(region.end - region.start for region in (*self._regions, *self._replaced))
        old = self._segment.size if self._segment is not None else 0
        if needed <= old:  # there is room, but not in one piece
            with contextlib.suppress(ShmError):
                return self._request(old + 1)
        return self._request(needed)

    def _request(self, size: int) -> Segment:
        if self._refusal is not None and size >= self._refusal[0]:
            raise self._refusal[1]
        try:
            return self._source.request_call_segment(size, self._last or self._beside.segment.number)
        except ShmError as error:
            self._refusal = size, error
            raise

    def _gap(self, size: int) -> tuple[int, int]:
        """Where ``size`` bytes are free: the place in the list of regions, and the offset; -1 if nowhere."""
        assert self._segment is not None
        start = 0
        if self._regions:
            self._sweep()
        for index, region in enumerate(self._regions):
            if region.start - start >= size:
                return index, start
            start = aligned(region.end)
        return (len(self._regions), start) if self._segment.size - start >= size else (-1, 0)

    def _sweep(self) -> None:
        if self._regions:
            # As `is_used`, for every call.
            self._regions = [
                region for region in self._regions if region.in_call or getrefcount(region.bytes) > region.unreferenced
            ]
