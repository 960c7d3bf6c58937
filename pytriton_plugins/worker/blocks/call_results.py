"""Results of calls that a callable returns unchanged: they stay in the call segment."""

from __future__ import annotations

from typing import Protocol

from pytriton_plugins.shm import wire
from pytriton_plugins.shm.arrays import Array
from pytriton_plugins.shm.segment import Segment


class CallResults(Protocol):
    """Knows where the results of calls lie."""

    @property
    def segment(self) -> Segment | None:
        """The call segment, which the backend has if a result is in it; None if there is none."""

    def finish(self) -> bool:
        """End the calls of the batch, so that nothing is written to the segment; False if some still run."""


class CallSegment:
    """The call segment in which results of the running batch may lie."""

    def __init__(self, calls: CallResults) -> None:
        self._calls = calls
        self.look()

    def look(self) -> None:
        """Find the segment that the channel has now."""
        self._number, self._address, self._size = self._now()

    def offset(self, address: int, array: Array) -> int:
        """The offset of an array, whose first byte has this address, if its bytes are the output's; else -1."""
        at = address - self._address
        inside = at >= 0 and at + array.nbytes <= self._size
        return at if inside and at % wire.ALIGNMENT == 0 and array.flags.c_contiguous else -1

    def stays(self) -> bool:
        """Whether the results stay where they are until the next batch. If so, the calls of this batch have ended."""
        return self._calls.finish() and self._now()[0] == self._number

    def _now(self) -> tuple[int, int, int]:
        segment = self._calls.segment
        return (0, 0, 0) if segment is None else (segment.number, segment.address, segment.size)
