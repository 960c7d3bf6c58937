"""A client's own shared memory, lent to the worker by the backend instead of copied for it; docs/protocol.md."""

from __future__ import annotations

import ctypes
import mmap
import os

import numpy as np
from numpy.typing import NDArray

_OWN_MEMORY = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x4000  # MAP_NORESERVE: only what is written counts
_MOVE_TO = 1 | 2  # MREMAP_MAYMOVE | MREMAP_FIXED


class Loan:
    """One window of a client's file, mapped read-only. ``bytes`` is the array that every view of it has as its base."""

    def __init__(self, descriptor: int, offset: int, length: int) -> None:
        """Map ``length`` bytes from ``offset`` on, or what the file has of them; ``descriptor`` stays the caller's."""
        length = min(length, os.fstat(descriptor).st_size - offset)
        self._mapping = mmap.mmap(descriptor, length, access=mmap.ACCESS_READ, offset=offset)
        self.bytes: NDArray[np.uint8] = np.frombuffer(self._mapping, np.uint8)
        self.address = int(self.bytes.__array_interface__["data"][0])
        self.size = length
        self.unreferenced = 0
        """The count of references to ``bytes`` while no batch has any."""

    def keep(self, spans: list[tuple[int, int]]) -> None:
        """Let go of the client's file, and have copies of ``spans`` (begin, end) at the same addresses instead.

        Raises OSError when there is no memory.
        """
        libc = ctypes.CDLL(None, use_errno=True)
        libc.mmap.restype = libc.mremap.restype = ctypes.c_void_p
        size = ctypes.c_size_t(-(-self.size // mmap.PAGESIZE) * mmap.PAGESIZE)
        access = mmap.PROT_READ | mmap.PROT_WRITE
        own = _checked(libc.mmap(None, size, access, _OWN_MEMORY, -1, ctypes.c_long(0)))
        for start, end in spans:
            ctypes.memmove(own + start, self.address + start, end - start)
        # In one step: whoever reads there meanwhile sees the same bytes before and after.
        _checked(libc.mremap(ctypes.c_void_p(own), size, size, _MOVE_TO, ctypes.c_void_p(self.address)))


def _checked(address: int | None) -> int:
    if address is None or address == ctypes.c_size_t(-1).value:
        error = ctypes.get_errno()
        raise OSError(error, f"a client's memory cannot be kept: {os.strerror(error)}")
    return address
