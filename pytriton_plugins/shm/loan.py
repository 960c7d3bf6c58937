"""A client's own shared memory, which the backend lends to the worker instead of a copy."""

from __future__ import annotations

import ctypes
import mmap
import os

import numpy as np
from numpy.typing import NDArray

_OWN_MEMORY = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x4000  # MAP_NORESERVE: only what is written counts
_IN_PLACE = mmap.MAP_SHARED | 0x10  # MAP_FIXED
_MOVE_TO = 1 | 2  # MREMAP_MAYMOVE | MREMAP_FIXED

_LIBC = ctypes.CDLL(None, use_errno=True)
_MMAP, _MREMAP = _LIBC.mmap, _LIBC.mremap
_MMAP.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
_MREMAP.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t, ctypes.c_int, ctypes.c_void_p]
_MMAP.restype = _MREMAP.restype = ctypes.c_void_p


class Loan:
    """One window of a client's file, mapped read-only. ``bytes`` is the array that every view of it has as its base."""

    def __init__(self, descriptor: int, offset: int, size: int) -> None:
        """Map ``size`` bytes, whole pages, from ``offset`` on; ``descriptor`` stays the caller's.

        Raises OSError when that cannot be mapped.
        """
        # Python's own mapping of a file keeps a descriptor of it, and with it the client's memory, as long as there are
        # views. Therefore Python owns the addresses only, and the file is mapped over them.
        self._mapping = mmap.mmap(-1, size, _OWN_MEMORY, mmap.PROT_READ)
        self.bytes: NDArray[np.uint8] = np.frombuffer(self._mapping, np.uint8)
        self.address = int(self.bytes.__array_interface__["data"][0])
        self.size = size
        self.unreferenced = 0
        """The reference count of ``bytes`` while no batch uses it."""
        _checked(_MMAP(self.address, size, mmap.PROT_READ, _IN_PLACE, descriptor, offset))

    def keep(self, spans: list[tuple[int, int]]) -> None:
        """Replace the client's file by copies of ``spans`` (begin, end) at the same addresses.

        Raises OSError when there is no memory.
        """
        own = _checked(_MMAP(None, self.size, mmap.PROT_READ | mmap.PROT_WRITE, _OWN_MEMORY, -1, 0))
        for start, end in spans:
            ctypes.memmove(own + start, self.address + start, end - start)
        # In one step: another thread that reads there finds memory before and after.
        _checked(_MREMAP(own, self.size, self.size, _MOVE_TO, self.address))


def _checked(address: int | None) -> int:
    if address is None or address == ctypes.c_size_t(-1).value:
        error = ctypes.get_errno()
        raise OSError(error, f"a client's memory cannot be mapped: {os.strerror(error)}")
    return address
