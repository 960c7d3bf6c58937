"""The response segment of a channel: its size, and the arrays in it that callables ask for."""

from __future__ import annotations

import logging
import math
import sys
import threading
from typing import Any, Protocol

import numpy as np

from pytriton_plugins.errors import ShmError
from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.shm import wire
from pytriton_plugins.shm.arrays import Array
from pytriton_plugins.shm.segment import Segment
from pytriton_plugins.worker.log import report

_MAX_KEPT = 3
"""Batches in a row of which the callable kept arrays from `empty`. After them it gets memory outside the segment."""


class SegmentSource(Protocol):
    """Grants larger response segments."""

    def request_segment(self, size: int, replaced: int) -> Segment:
        """A segment of ``size`` bytes or more in place of the one numbered ``replaced``; raises ShmError."""

    def request_call_segment(self, size: int, replaced: int) -> Segment:
        """A call segment; ``replaced``: the one before, or for the first one the response segment. Raises ShmError."""


class ResponseBuffer:
    """Holds ``segment``, which is replaced by a larger one from ``source`` when it is full."""

    def __init__(self, declaration: ModelDeclaration, segment: Segment, source: SegmentSource) -> None:
        self._model = declaration.name
        self._outputs = declaration.outputs
        self._names = [tensor.name for tensor in declaration.outputs]
        self._source = source
        # A generator refers to its last array while it computes the next: each response would take a new segment.
        self._kept = _MAX_KEPT if declaration.streams else 0
        self._lock = threading.Lock()
        """A callable may ask for arrays in threads of its own."""
        self.requests = 1
        """The requests of the running batch: the buffer leaves room for a block that answers each of them."""
        self._written_template: object = None
        """The template whose block the segment still holds."""
        self._use(segment)

    def _use(self, segment: Segment) -> None:
        self.segment = segment
        self.reserved = 0
        """Bytes at the start of the segment that hold arrays from `empty`."""
        self._unreferenced = sys.getrefcount(segment.bytes)

    def empty(self, name: str, shape: tuple[int, ...]) -> Array:
        """An array of ``shape`` for the output ``name``, in the response segment if there is room.

        Raises ValueError for an output that is not declared or holds strings, or an invalid shape.
        """
        tensor = next((tensor for tensor in self._outputs if tensor.name == name), None)
        if tensor is None or not tensor.dtype.item_size:
            problem = "is not declared" if tensor is None else "holds strings; return a list or an array instead"
            raise ValueError(f"empty({name!r}, …): output {name!r} {problem}; declared: {', '.join(self._names)}")
        dims = tuple(shape)
        if any(dim < 0 for dim in dims):
            raise ValueError(f"empty({name!r}, {shape}): negative size; write a shape of sizes from 0 up")
        size = math.prod(dims) * tensor.dtype.item_size
        with self._lock:
            return self._array(dims, size, tensor.dtype.numpy)

    def _array(self, dims: tuple[int, ...], size: int, dtype: np.dtype[Any]) -> Array:
        if self._kept >= _MAX_KEPT or not self._has_room(wire.aligned(self.reserved), size):
            return np.empty(dims, dtype)
        start = wire.aligned(self.reserved)  # 0 in a new segment
        array: Array = np.ndarray(dims, dtype, self.segment.bytes, start)
        self.reserved = max(start + size, 1)
        return array

    def _has_room(self, start: int, size: int) -> bool:
        """Whether an array and the block behind it fit, perhaps in a new segment; arrays in the old one are copied."""
        needed = start + size + self._block_size(self.requests, self.requests)
        if needed <= self.segment.size:
            return True
        try:
            new = self._source.request_segment(needed, self.segment.number)
        except ShmError:
            return False  # if the response has no room either, writing it reports the error
        self._replace(new)
        return True

    def _replace(self, new: Segment) -> None:
        self.segment.close_unsent()
        self._written_template = None
        self._use(new)

    def release(self) -> None:
        """The response is sent: arrays from `empty` that the callable still refers to keep their content."""
        if not self.reserved:
            return
        if sys.getrefcount(self.segment.bytes) <= self._unreferenced:
            self.reserved = self._kept = 0
            return
        if self._kept >= _MAX_KEPT:
            return  # no new segment was granted: they stay where they are, and responses go behind them
        self._kept += 1
        try:
            self._replace(self._source.request_segment(self.segment.size, self.segment.number))
        except ShmError as error:
            self._kept = _MAX_KEPT
            report(
                logging.WARNING,
                "model %s: the callable keeps arrays from ctx.empty(); later ones are copied: %s",
                self._model,
                error,
            )

    def _position_in_response(self, array: Array) -> int:
        """The offset in the response segment of an array from `empty`, if its bytes are the output's; -1 otherwise."""
        if not self.reserved:
            return -1
        at = int(array.__array_interface__["data"][0]) - self.segment.address
        inside = at >= 0 and at + array.nbytes <= self.reserved
        return at if inside and at % wire.ALIGNMENT == 0 and array.flags.c_contiguous else -1

    def _block_size(self, requests: int, outcomes: int) -> int:
        """The size of a block in which every request succeeds, with outputs for each of ``outcomes``."""
        tensors = outcomes * len(self._outputs) * wire.TENSOR_ENTRY.size
        return wire.RESPONSE_HEADER.size + requests * wire.OUTCOME.size + tensors

    def _reserve(self, size: int, written: int) -> None:
        """Make the segment hold ``size`` bytes and keep the first ``written`` of them; raises ShmError."""
        old = self.segment
        if size <= old.size:
            return
        new = self._source.request_segment(size, old.number)
        new.bytes[:written] = old.bytes[:written]
        reserved = self.reserved
        self._replace(new)
        self.reserved = reserved
