"""From a request segment to a batch of arrays; runs in the worker's main thread."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from pytriton_plugins.errors import ProtocolError
from pytriton_plugins.models import ModelDeclaration
from pytriton_plugins.shm import wire
from pytriton_plugins.shm.arrays import Array, read_array
from pytriton_plugins.shm.segment import Segment
from pytriton_plugins.tensors import DType
from pytriton_plugins.worker.call import Batch
from pytriton_plugins.worker.writing import Answers

_COPY_AFTER = 3
"""Batches in a row whose inputs the callable kept, after which it gets copies: new segments would cost more."""

_MOST_PLANS = 256

Convert = Callable[[dict[str, Array]], dict[str, Array]]


class Plan:
    """What a request block says, worked out once for all batches of a segment whose blocks are the same."""

    __slots__ = ("answers", "inputs", "requested", "rows", "views")

    def __init__(self, block: wire.RequestBlock, declaration: ModelDeclaration) -> None:
        self.rows = block.rows
        outputs = declaration.outputs
        self.requested = tuple(
            frozenset(tensor.name for bit, tensor in enumerate(outputs) if mask >> bit & 1) for mask in block.requested
        )
        tensors = declaration.inputs
        self.inputs: list[tuple[str, wire.TensorEntry, DType]] = [
            (tensors[entry.tensor].name, entry, tensors[entry.tensor].dtype) for entry in block.inputs
        ]
        self.views: list[tuple[str, Array]] | None = None
        """The callable's keywords, each to be viewed anew for every batch; None if there are strings among them."""
        self.answers: Answers = {}


class RequestReader:
    """Reads the batches of one slot, and knows whether a callable still refers to the segment of the last one."""

    def __init__(self, declaration: ModelDeclaration, convert: Convert) -> None:
        """``convert`` makes keywords of the callable from arrays by tensor name."""
        self._declaration = declaration
        self._convert = convert
        self._only_numbers = all(tensor.dtype.item_size for tensor in declaration.inputs)
        self._segment: Segment | None = None
        self._bytes: object = None
        self._unreferenced = 0
        self._kept = 0
        self.copies = False
        """Whether the callable gets copies because it keeps its inputs."""
        self._plans: dict[bytes, Plan] = {}

    def take_segment(self, number: int, descriptors: list[int]) -> Segment:
        """Use a new segment from now on, and return it."""
        (descriptor,) = descriptors
        self._plans.clear()
        self._segment = Segment(number, descriptor, writable=False)
        os.close(descriptor)
        self._bytes = self._segment.bytes
        self._unreferenced = sys.getrefcount(self._bytes)
        return self._segment

    def plan(self, number: int, offset: int, length: int) -> Plan:
        """What the block at ``offset`` of segment ``number`` says; raises ProtocolError if there is none."""
        segment = self._segment
        if segment is None or segment.number != number:
            raise ProtocolError(f"channel: segment {number} was never sent")
        # Taking a block apart costs more than anything else here, and most batches are like one before.
        return self._plans.get(segment.mapping[offset : offset + length]) or self._new_plan(segment, offset, length)

    def batch(self, plan: Plan) -> Batch:
        """The batch that stands in the segment now."""
        assert self._segment is not None
        arrays = {name: read_array(self._segment, entry, dtype) for name, entry, dtype in plan.inputs}
        if self.copies:
            for name, array in arrays.items():
                arrays[name] = array.copy()
                arrays[name].flags.writeable = False
        return Batch(arrays, plan.rows, plan.requested)

    def is_kept(self) -> bool:
        """Whether arrays of the last batch are still referred to; then the segment is given up, and they stay valid."""
        if sys.getrefcount(self._bytes) > self._unreferenced:
            self._kept += 1
            self.copies = self._kept >= _COPY_AFTER
            self._plans.clear()
            self._segment = None
            return True
        if not self.copies:
            self._kept = 0
        return False

    def _new_plan(self, segment: Segment, offset: int, length: int) -> Plan:
        plan = Plan(wire.unpack_request_block(segment.view, offset, length), self._declaration)
        if len(self._plans) >= _MOST_PLANS:
            self._plans.clear()
            self._unreferenced = sys.getrefcount(self._bytes)
        if self._only_numbers:
            arrays = {name: read_array(segment, entry, dtype) for name, entry, dtype in plan.inputs}
            plan.views = list(self._convert(arrays).items())
            self._unreferenced += len(plan.views)
        self._plans[segment.mapping[offset : offset + length]] = plan
        return plan
