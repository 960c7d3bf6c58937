"""From a request segment to a batch of arrays."""

from __future__ import annotations

import os
import struct
import sys

from pytriton_plugins.errors import ProtocolError
from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.model.tensors import DType
from pytriton_plugins.shm import wire
from pytriton_plugins.shm.arrays import Array, read_array, view_array
from pytriton_plugins.shm.details import flags_size
from pytriton_plugins.shm.loan import Loan
from pytriton_plugins.shm.segment import Segment
from pytriton_plugins.worker.blocks.response_template import Templates
from pytriton_plugins.worker.calling.arguments import ArgumentBuilder
from pytriton_plugins.worker.calling.batch import Batch
from pytriton_plugins.worker.calling.request_state import RequestState

_MAX_KEPT = 3
"""Batches in a row whose inputs the callable kept. After them it gets copies: new segments would cost more."""

_MAX_PLANS, _MAX_PLANNED_BYTES = 256, 1 << 20
"""How many blocks are remembered, and how many bytes they may have in all: those of a thousand tensors are long."""

_UNREADABLE = (struct.error, LookupError, TypeError, ValueError, OverflowError, MemoryError)
"""The exceptions that an invalid block raises where it is read."""


class RequestPlan:
    """The content of a request block, parsed once for all batches of a segment with an equal block."""

    __slots__ = ("details", "inputs", "requested", "rows", "templates", "views")

    def __init__(self, block: wire.RequestBlock, declaration: ModelDeclaration) -> None:
        self.rows = block.rows
        self.details = block.details
        outputs = declaration.outputs
        self.requested = tuple(
            frozenset(tensor.name for bit, tensor in enumerate(outputs) if mask >> bit & 1) for mask in block.requested
        )
        tensors = declaration.inputs
        self.inputs: list[tuple[str, wire.TensorEntry, DType]] = [
            (tensors[entry.tensor].name, entry, tensors[entry.tensor].dtype) for entry in block.inputs
        ]
        self.views: list[tuple[str, Array]] | None = None
        """The callable's keywords, each of which gets a new view for every batch; None if strings are among them."""
        self.templates: Templates = {}


class RequestReader:
    """Reads the batches of one channel, and knows whether the callable still refers to the last one's segment."""

    def __init__(self, declaration: ModelDeclaration, arguments: ArgumentBuilder) -> None:
        self._declaration = declaration
        self._arguments = arguments
        numbers = all(tensor.dtype.item_size for tensor in declaration.inputs)
        self._only_numbers = numbers and not declaration.takes_requests
        self._is_separate = declaration.apart
        self._is_writable = arguments.is_writable
        self._segment: Segment | None = None
        self._bytes: object = None
        self._unreferenced = 0
        """References to the segment's bytes while no callable has an array of it."""
        self._kept = 0
        self.copies = self._is_writable
        """Whether the callable gets copies, because it keeps its inputs or may change them."""
        self._plans: dict[bytes, RequestPlan] = {}
        self._planned_bytes = 0
        self._plan: RequestPlan | None = None
        """The last batch's."""
        self._loans: dict[int, Loan] = {}

    def take_segment(self, number: int, descriptors: list[int]) -> None:
        """Use a new segment from now on."""
        (descriptor,) = descriptors
        try:
            self._segment = Segment(number, descriptor, writable=False)
        finally:
            os.close(descriptor)
        self._bytes = self._segment.bytes
        self._forget_plans()

    def take_loan(self, message: wire.ChannelMessage, descriptors: list[int]) -> None:
        """Use a client's memory from now on, by the number in ``message``."""
        (descriptor,) = descriptors
        try:
            self._loans[message.segment] = Loan(descriptor, message.offset, message.length)
        finally:
            os.close(descriptor)
        self._forget_plans()

    def inputs(self) -> dict[int, Segment | Loan]:
        """The memory in which inputs may lie: the request segment by the number 0, and loans by theirs."""
        return {0: self._segment, **self._loans} if self._segment is not None else {**self._loans}

    def forget_loan(self, number: int) -> None:
        """Release a client's memory."""
        self._loans.pop(number, None)
        self._forget_plans()

    def plan(self, number: int, offset: int, length: int) -> RequestPlan:
        """The content of the block at ``offset`` of segment ``number``; raises ProtocolError for an invalid one."""
        segment = self._segment
        if segment is None or segment.number != number:
            raise ProtocolError(f"channel: segment {number} was never sent")
        # Parsing a block costs more than anything else here, and most batches equal an earlier one.
        plan = self._plans.get(segment.mapping[offset : offset + length]) or self._read(segment, offset, length)
        self._plan = plan
        return plan

    @property
    def segment(self) -> Segment | None:
        """The request segment; None if there is none."""
        return self._segment

    @property
    def view(self) -> memoryview:
        """The request segment."""
        assert self._segment is not None
        return self._segment.view

    def batch(self, plan: RequestPlan, state: RequestState | None = None) -> Batch:
        """The batch that the segment holds now."""
        try:
            arrays = [(name, entry.first, self._array(entry, dtype)) for name, entry, dtype in plan.inputs]
        except _UNREADABLE as error:
            raise ProtocolError(f"channel: tensors do not match the request block: {error}") from error
        if self.copies:
            arrays = [(name, first, self._copied(array)) for name, first, array in arrays]
        if not self._is_separate:
            joined = {name: array for name, _, array in arrays}
            return Batch(joined, plan.rows, plan.requested, state=state)
        separate: tuple[dict[str, Array], ...] = tuple({} for _ in plan.rows)
        for name, first, array in arrays:
            separate[first][name] = array
        return Batch({}, plan.rows, plan.requested, separate, state)

    def is_kept(self) -> bool:
        """Whether arrays of the last batch are still referenced. If so, they keep the segment, which is given up."""
        lent_is_kept = bool(self._loans) and self._keep_loans()
        if lent_is_kept or sys.getrefcount(self._bytes) > self._unreferenced:
            self._kept += 1
            self.copies = self._is_writable or self._kept >= _MAX_KEPT
            self._loans.clear()
            self._segment = None
            self._forget_plans()
            return True
        if not self.copies:
            self._kept = 0
        return False

    def _read(self, segment: Segment, offset: int, length: int) -> RequestPlan:
        try:
            return self._new_plan(segment, offset, length)
        except _UNREADABLE as error:
            raise ProtocolError(f"channel: invalid request block: {error}") from error

    def _new_plan(self, segment: Segment, offset: int, length: int) -> RequestPlan:
        plan = RequestPlan(wire.unpack_request_block(segment.view, offset, length), self._declaration)
        if plan.details and plan.details + flags_size(len(plan.rows)) > segment.size:
            raise LookupError("details outside their segment")
        if self._is_separate and any(
            entry.requests != 1 or entry.first >= len(plan.rows) for _, entry, _ in plan.inputs
        ):
            raise LookupError("a tensor of more than one request")
        if len(self._plans) >= _MAX_PLANS or self._planned_bytes + length > _MAX_PLANNED_BYTES:
            self._forget_plans()
        self._planned_bytes += length
        if self._only_numbers:
            arrays = {name: self._array(entry, dtype) for name, entry, dtype in plan.inputs}
            plan.views = list(self._arguments.keywords(arrays).items())
            for _, entry, _ in plan.inputs:
                if entry.flags:
                    self._loans[entry.flags >> wire.LOAN_SHIFT].unreferenced += 1
                else:
                    self._unreferenced += 1
        self._plans[segment.mapping[offset : offset + length]] = plan
        return plan

    def _array(self, entry: wire.TensorEntry, dtype: DType) -> Array:
        if entry.flags:
            return view_array(self._loans[entry.flags >> wire.LOAN_SHIFT].bytes, entry, dtype)
        assert self._segment is not None
        return read_array(self._segment, entry, dtype)

    def _copied(self, array: Array) -> Array:
        own: Array = array.copy()
        own.flags.writeable = self._is_writable
        return own

    def _forget_plans(self) -> None:
        self._plan = None
        self._plans.clear()
        self._planned_bytes = 0
        self._unreferenced = sys.getrefcount(self._bytes)
        for loan in self._loans.values():
            loan.unreferenced = sys.getrefcount(loan.bytes)

    def _keep_loans(self) -> bool:
        """Whether arrays in loans are still referenced. If so, their bytes are copied into own memory."""
        kept = [number for number, loan in self._loans.items() if sys.getrefcount(loan.bytes) > loan.unreferenced]
        assert self._plan is not None
        entries = [entry for _, entry, _ in self._plan.inputs]
        for number in kept:
            lent = [entry for entry in entries if entry.flags >> wire.LOAN_SHIFT == number]
            self._loans[number].keep([(entry.offset, entry.offset + entry.length) for entry in lent])
        return bool(kept)
