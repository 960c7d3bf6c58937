"""A client's own shared memory: a file in /dev/shm, registered with a tritonserver."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc
import tritonclient.http
from numpy.typing import NDArray

from tests.support.sandbox.leftovers import CLIENT_MEMORY

TIMEOUT = 60.0
_KERNEL = tuple(int(part) for part in os.uname().release.split("-")[0].split(".")[:2])
needs_kernel = pytest.mark.skipif(_KERNEL < (6, 11), reason="nothing is lent: Linux before 6.11 has no PROCMAP_QUERY")
Floats = NDArray[np.float32]


class Region:
    """One registered region, the whole file, with one client's inputs and outputs."""

    def __init__(self, url: str, size: int, protocol: str) -> None:
        self.name = f"{CLIENT_MEMORY}{secrets.token_hex(4)}"
        self.path = Path("/dev/shm", self.name)
        self.path.touch(0o600)
        os.truncate(self.path, size)
        self.bytes: NDArray[np.uint8] = np.memmap(self.path, np.uint8, "r+")
        self._module: Any = {"grpc": tritonclient.grpc, "http": tritonclient.http}[protocol]
        self._limit = {"client_timeout": TIMEOUT} if protocol == "grpc" else {}
        self.client = self._module.InferenceServerClient(url)
        self.client.register_system_shared_memory(self.name, f"/{self.name}", size)

    def infer(
        self,
        model: str,
        shape: tuple[int, ...],
        offset: int = 0,
        out: int | None = None,
        x: str = "x",
        y: str = "y",
        room: int | None = None,
    ) -> Floats | None:
        """Send the floats at ``offset`` as input x; output y goes to ``room`` bytes at ``out``, or is returned."""
        size = 4 * int(np.prod(shape))
        sent = self._module.InferInput(x, list(shape), "FP32")
        sent.set_shared_memory(self.name, size, offset)
        wanted = self._module.InferRequestedOutput(y)
        if out is not None:
            wanted.set_shared_memory(self.name, size if room is None else room, out)
        result = self.client.infer(model, [sent], outputs=[wanted], **self._limit)
        return None if out is not None else result.as_numpy(y)

    def floats(self, shape: tuple[int, ...], offset: int = 0) -> Floats:
        """The floats at ``offset``, to read and write."""
        size = 4 * int(np.prod(shape))
        return self.bytes[offset : offset + size].view(np.float32).reshape(shape)

    def leave(self) -> None:
        """Remove the file and the registration, as a client does at its end."""
        self.path.unlink(missing_ok=True)
        self.client.unregister_system_shared_memory(self.name)
        self.client.close()


@contextlib.contextmanager
def region(url: str, size: int, protocol: str = "grpc") -> Iterator[Region]:
    """A region of ``size`` bytes; ``url`` is that of ``protocol``."""
    made = Region(url, size, protocol)
    try:
        yield made
    finally:
        with contextlib.suppress(Exception):
            made.leave()
