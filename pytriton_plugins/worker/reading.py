"""From a request segment to a batch of arrays; runs in the worker's main thread."""

from __future__ import annotations

import os
import sys
from typing import NamedTuple

from pytriton_plugins.errors import ProtocolError
from pytriton_plugins.models import ModelDeclaration
from pytriton_plugins.shm import wire
from pytriton_plugins.shm.arrays import read_array
from pytriton_plugins.shm.segment import Segment
from pytriton_plugins.tensors import DType
from pytriton_plugins.worker.call import Batch

_COPY_AFTER = 3
"""Batches in a row whose inputs the callable kept, after which it gets copies: new segments would cost more."""

_MOST_PLANS = 64


class _Plan(NamedTuple):
    """What a request block says, apart from the number of its batch: the same for all batches of like shapes."""

    rows: tuple[int, ...]
    requested: tuple[frozenset[str], ...]
    inputs: tuple[tuple[str, wire.TensorEntry, DType], ...]


class RequestReader:
    """Reads the batches of one slot, and knows whether a callable still refers to the segment of the last one."""

    def __init__(self, declaration: ModelDeclaration) -> None:
        self._declaration = declaration
        self._segment: Segment | None = None
        self._unreferenced = 0
        self._kept = 0
        self._plans: dict[bytes, _Plan] = {}

    def take_segment(self, number: int, descriptors: list[int]) -> None:
        """Use a new segment from now on."""
        (descriptor,) = descriptors
        self._segment = Segment(number, descriptor, writable=False)
        os.close(descriptor)
        self._unreferenced = sys.getrefcount(self._segment.bytes)

    def read(self, message: wire.ChannelMessage) -> Batch:
        """The batch that ``message`` speaks of; raises ProtocolError for a segment or block that is none."""
        segment = self._segment
        if segment is None or segment.number != message.segment:
            raise ProtocolError(f"channel: segment {message.segment} was never sent")
        plan = self._plan(segment, message.offset, message.length)
        arrays = {name: read_array(segment, entry, dtype) for name, entry, dtype in plan.inputs}
        if self._kept >= _COPY_AFTER:
            for name, array in arrays.items():
                arrays[name] = array.copy()
                arrays[name].flags.writeable = False
        return Batch(arrays, plan.rows, plan.requested)

    def is_kept(self) -> bool:
        """Whether arrays of the last batch are still referred to; then the segment is given up, and they stay valid."""
        assert self._segment is not None
        if sys.getrefcount(self._segment.bytes) > self._unreferenced:
            self._kept += 1
            self._segment = None
            return True
        if self._kept < _COPY_AFTER:
            self._kept = 0
        return False

    def _plan(self, segment: Segment, offset: int, length: int) -> _Plan:
        # Taking a block apart costs more than anything else here, and most batches are like one before.
        counts, entries = wire.block_identity(segment.view, offset, length)
        plan = self._plans.get(counts + entries)
        if plan is None:
            if len(self._plans) >= _MOST_PLANS:
                self._plans.clear()
            plan = self._plans[counts + entries] = self._new_plan(segment, offset, length)
        return plan

    def _new_plan(self, segment: Segment, offset: int, length: int) -> _Plan:
        block = wire.unpack_request_block(segment.view, offset, length)
        tensors = self._declaration.inputs
        inputs = ((tensors[entry.tensor].name, entry, tensors[entry.tensor].dtype) for entry in block.inputs)
        return _Plan(block.rows, tuple(map(self._names, block.requested)), tuple(inputs))

    def _names(self, mask: int) -> frozenset[str]:
        return frozenset(tensor.name for bit, tensor in enumerate(self._declaration.outputs) if mask >> bit & 1)
