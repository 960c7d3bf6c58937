"""Segments: sealed memfds of a fixed size; the daemon makes them, workers and the backend map them."""

from __future__ import annotations

import fcntl
import mmap
import os

import numpy as np
from numpy.typing import NDArray

from pytriton_plugins.errors import ProtocolError

_F_ADD_SEALS, _F_GET_SEALS = 1033, 1034
_SEALS = 0x1 | 0x2 | 0x4
"""SEAL, SHRINK and GROW: a peer that cannot truncate the file cannot cause SIGBUS in the other."""


def create_segment_file(size: int) -> int:
    """A sealed memfd of ``size`` bytes without a name; the caller closes it.

    Its pages take memory only once they are touched.
    """
    descriptor = os.memfd_create("pytriton-segment", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.ftruncate(descriptor, size)
        fcntl.fcntl(descriptor, _F_ADD_SEALS, _SEALS)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def touched_bytes(descriptor: int) -> int:
    """Bytes of memory that the segment takes now."""
    return os.fstat(descriptor).st_blocks * 512


def _seals(descriptor: int) -> int:
    try:
        return fcntl.fcntl(descriptor, _F_GET_SEALS)
    except OSError:
        return 0  # not a file in memory


class Segment:
    """One mapped segment. ``bytes`` is the array that every view of this segment has as its base."""

    def __init__(self, number: int, descriptor: int, *, writable: bool) -> None:
        """Map ``descriptor``, which the caller closes; raises ProtocolError if seals are missing."""
        if _seals(descriptor) & _SEALS != _SEALS:
            raise ProtocolError(f"segment {number}: its descriptor lacks the seals SHRINK, GROW and SEAL")
        self.number = number
        self.unsent = -1
        """The descriptor while it still has to be sent to the peer of the channel, else -1."""
        self.size = os.fstat(descriptor).st_size
        access = mmap.ACCESS_WRITE if writable else mmap.ACCESS_READ
        self.mapping = mmap.mmap(descriptor, self.size, access=access)
        self.view = memoryview(self.mapping)
        self.bytes: NDArray[np.uint8] = np.frombuffer(self.mapping, np.uint8)
        self.address = int(self.bytes.__array_interface__["data"][0])

    def close_unsent(self) -> None:
        """Close the descriptor that was sent, or never will be; may be called again."""
        # In this order: a child that is forked in between must not close the number again, which may be another file's.
        descriptor, self.unsent = self.unsent, -1
        if descriptor >= 0:
            os.close(descriptor)
