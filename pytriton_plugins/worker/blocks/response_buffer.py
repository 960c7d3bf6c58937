"""The response segment of a slot: its room, and the arrays in it that callables ask for; runs in the worker."""

from __future__ import annotations

import logging
import math
import os
import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from pytriton_plugins.errors import ShmError
from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.shm import wire
from pytriton_plugins.shm.arrays import Array
from pytriton_plugins.shm.segment import Segment
from pytriton_plugins.worker.log import report

_OWN_AFTER = 3
"""Batches in a row of which the callable kept arrays from `empty`, after which it gets memory of its own instead."""


class ResponseRoom:
    """Holds ``segment``, which grows as needed."""

    def __init__(self, declaration: ModelDeclaration, segment: Segment, need: Callable[[int, int], Segment]) -> None:
        """``need(size, replaced)`` gets a larger segment from the host, or raises ShmError."""
        self._name = declaration.name
        self._outputs = declaration.outputs
        self._names = [tensor.name for tensor in declaration.outputs]
        self._need = need
        # A generator refers to its last array while it works on the next: each response would take a new segment.
        self._kept = _OWN_AFTER if declaration.streams else 0
        self._asking = threading.Lock()
        """A callable may ask for arrays in threads of its own."""
        self.requests = 1
        """How many the batch has that runs: room is left for a block that answers each of them."""
        self._standing: object = None
        """What stands in the segment still."""
        self._use(segment)

    def _use(self, segment: Segment) -> None:
        self.segment = segment
        self.reserved = 0
        """Bytes at the begin of the segment in which arrays from `empty` lie."""
        self._unreferenced = sys.getrefcount(segment.bytes)

    def empty(self, name: str, shape: tuple[int, ...]) -> Array:
        """An array of ``shape`` for the output ``name`` that lies in the response, while that can be had.

        Raises ValueError for an output that is not declared or holds strings, or a shape that cannot be.
        """
        tensor = next((tensor for tensor in self._outputs if tensor.name == name), None)
        if tensor is None or not tensor.dtype.item_size:
            what = (
                "is not declared"
                if tensor is None
                else "holds strings, which have no place yet; return a list or an array"
            )
            raise ValueError(f"empty({name!r}, …): output {name!r} {what}; declared: {', '.join(self._names)}")
        dims = tuple(shape)
        if any(dim < 0 for dim in dims):
            raise ValueError(f"empty({name!r}, {shape}): write a shape of sizes from 0 up")
        size = math.prod(dims) * tensor.dtype.item_size
        with self._asking:
            return self._array(dims, size, tensor.dtype.numpy)

    def _array(self, dims: tuple[int, ...], size: int, dtype: np.dtype[Any]) -> Array:
        if self._kept >= _OWN_AFTER or not self._has_room(wire.aligned(self.reserved), size):
            return np.empty(dims, dtype)
        start = wire.aligned(self.reserved)  # a new segment begins anew
        array: Array = np.ndarray(dims, dtype, self.segment.bytes, start)
        self.reserved = max(start + size, 1)
        return array

    def _has_room(self, start: int, size: int) -> bool:
        """Whether an array and the block behind it fit, perhaps in a new segment; arrays in the old one are copied."""
        room = start + size + self._block_room(self.requests, self.requests)
        if room <= self.segment.size:
            return True
        try:
            new = self._need(room, self.segment.number)
        except ShmError:
            return False  # if there is none for the whole answer either, that says so
        self._replace(new)
        return True

    def _replace(self, new: Segment) -> None:
        if self.segment.unsent >= 0:
            os.close(self.segment.unsent)
        self._standing = None
        self._use(new)

    def release(self) -> None:
        """The answer is sent: have arrays from `empty` that the callable still refers to stay what they are."""
        if not self.reserved:
            return
        if sys.getrefcount(self.segment.bytes) <= self._unreferenced:
            self.reserved = self._kept = 0
            return
        if self._kept >= _OWN_AFTER:
            return  # there was no memory: they stay where they are, and answers go behind them
        self._kept += 1
        try:
            self._replace(self._need(self.segment.size, self.segment.number))
        except ShmError as error:
            self._kept = _OWN_AFTER
            report(
                logging.WARNING,
                "model %s: arrays from ctx.empty() are kept, and others are copied: %s",
                self._name,
                error,
            )

    def _in_response(self, array: Array) -> int:
        """Where in the response segment an array from `empty` lies, as it would be written; -1 for any other."""
        if not self.reserved:
            return -1
        at = int(array.__array_interface__["data"][0]) - self.segment.address
        inside = at >= 0 and at + array.nbytes <= self.reserved
        return at if inside and at % wire.ALIGNMENT == 0 and array.flags.c_contiguous else -1

    def _block_room(self, requests: int, outcomes: int) -> int:
        """Enough for a block in which every request succeeds, of so many outcomes with outputs of their own."""
        tensors = outcomes * len(self._outputs) * wire.TENSOR_ENTRY.size
        return wire.RESPONSE_HEADER.size + requests * wire.OUTCOME.size + tensors

    def _reserve(self, size: int, written: int) -> None:
        """Make the segment hold ``size`` bytes, the first ``written`` of which stay; raises ShmError."""
        old = self.segment
        if size <= old.size:
            return
        new = self._need(size, old.number)
        new.bytes[:written] = old.bytes[:written]
        reserved = self.reserved
        self._replace(new)
        self.reserved = reserved
