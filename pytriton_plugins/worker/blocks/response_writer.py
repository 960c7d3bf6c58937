"""From outcomes to a response segment."""

from __future__ import annotations

import logging
import mmap
import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pytriton_plugins.errors import ShmError
from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.shm import wire
from pytriton_plugins.shm.arrays import Array, Encoded, encode, write, write_fixed
from pytriton_plugins.shm.loan import Loan
from pytriton_plugins.shm.segment import Segment
from pytriton_plugins.worker.blocks.call_results import CallResults, CallSegment
from pytriton_plugins.worker.blocks.response_buffer import ResponseBuffer, SegmentSource
from pytriton_plugins.worker.blocks.response_template import BlockPosition, Layout, ResponseTemplate, Templates
from pytriton_plugins.worker.calling.batch import Outcome
from pytriton_plugins.worker.calling.errors import RequestFailure, one_line
from pytriton_plugins.worker.log import report

_MAX_TEMPLATES, _MAX_TEMPLATE_BYTES = 64, 1 << 20
"""How many templates a request plan remembers, and how many bytes their blocks may have in all."""

_MAX_SMALL = 1 << 14
"""Bytes up to which it is cheaper to copy an array twice than to have numpy prepare a copy, or to find its place."""
_OK = (0, b"")

_NONE: Mapping[int, RequestFailure] = {}

_Tensors = list[tuple[wire.TensorEntry, Encoded | None]]
"""Entries, and the bytes to write for them; None for bytes that are there already."""


_PLACE_BITS = 48
"""A place is an offset in the request segment, or with the number of a loan above these bits an offset in that loan."""

_RESPONSE = 1 << 62
"""With this bit a place is an offset in the response segment."""

_CALLS = 1 << 61
"""With this bit a place is an offset in the call segment."""

_OFFSET, _AT_OFFSET = struct.Struct("<Q").pack_into, 16
"""Of a tensor entry."""


class ResponseWriter(ResponseBuffer):
    """Writes the responses of one channel into ``segment``."""

    def __init__(self, declaration: ModelDeclaration, segment: Segment, source: SegmentSource) -> None:
        super().__init__(declaration, segment, source)
        self.memory_failure: RequestFailure | None = None
        """The error of requests of the last batch whose outputs found no memory."""
        fixed = all(tensor.dtype.item_size for tensor in declaration.outputs)
        self._numbers = [(tensor.name, tensor.dtype.numpy) for tensor in declaration.outputs] if fixed else []
        self._written_template: ResponseTemplate | None = None
        self._inputs: list[tuple[int, int, int]] = []
        """The memory of inputs: the place of the first byte, its address, and the size."""
        self._mappings: tuple[type, ...] = (dict,)
        self._calls: CallSegment | None = None

    def take_inputs(self, inputs: Mapping[int, Segment | Loan]) -> None:
        """Inputs lie in these from now on, the request segment by the number 0: returned inputs are not copied."""
        self._inputs = [(number << _PLACE_BITS, memory.address, memory.size) for number, memory in inputs.items()]

    def take_calls(self, calls: CallResults, outputs: type[dict[str, Array]]) -> None:
        """Results of calls lie there from now on: those that are returned unchanged are not copied.

        ``outputs``: what a call returns.
        """
        self._calls = CallSegment(calls)
        self._mappings = (dict, outputs)

    def end_calls(self) -> None:
        """There are no calls any more."""
        self._calls = None

    def trim(self) -> None:
        """Give the segment's memory back to the system; its content is lost."""
        self.segment.mapping.madvise(mmap.MADV_REMOVE)
        self._written_template = None

    def write_by_template(self, templates: Templates, result: Any) -> BlockPosition | None:
        """Write the callable's result if there is a template for its layout, else None."""
        arrays, layout = self._arrays(result)
        template = templates.get(layout)
        if template is None or (template.in_calls and not (self._calls and self._calls.stays())):
            return None
        segment = self.segment
        for index, array in enumerate(arrays):
            start, end = template.places[index]
            if end - start > _MAX_SMALL:
                write_fixed(array, array.dtype, segment, start)
            elif end:
                segment.mapping[start:end] = array.tobytes()
        if template is not self._written_template:
            segment.mapping[template.offset : template.end] = template.block
            self._written_template = template
        for index, at in template.in_calls:
            _OFFSET(segment.view, at, self._place(arrays[index]) ^ _CALLS)
        return template.position

    def add_template(self, templates: Templates, result: Any, outcomes: list[Outcome]) -> None:
        """Have `write_by_template` write results like this one, which passed the checks and was written."""
        arrays, layout = self._arrays(result)
        if not arrays or len(outcomes) != 1 or outcomes[0].error:
            return
        entries, places, offset = [], [], wire.aligned(self.reserved)
        tensors, whole = self._entries(outcomes[0], offset)
        for (entry, _), array in zip(tensors, arrays, strict=True):
            place = self._place(array) if array.nbytes > _MAX_SMALL or self.reserved else -1
            if place & _RESPONSE and place >= 0:
                entries.append(entry._replace(offset=place ^ _RESPONSE))
                places.append((place, 0))
            elif place & _CALLS and place >= 0:
                entries.append(entry._replace(offset=place ^ _CALLS, flags=wire.IN_CALLS))
                places.append((place, 0))
            elif place >= 0:
                loan = place >> _PLACE_BITS
                flags = loan << wire.LOAN_SHIFT if loan else wire.IN_REQUEST
                entries.append(entry._replace(offset=place & ((1 << _PLACE_BITS) - 1), flags=flags))
                places.append((place, 0))
            else:
                entries.append(entry._replace(offset=offset))
                places.append((offset, offset + entry.length))
                offset = wire.aligned(offset + entry.length)
        block = bytes(wire.response_block([_OK] * outcomes[0].requests, entries))
        end = offset + len(block)
        if whole + len(block) > self.segment.size:
            return  # it was refused: outputs that stay where they are count against the model's limit too
        if len(templates) >= min(_MAX_TEMPLATES, _MAX_TEMPLATE_BYTES // len(block)):
            templates.clear()
        first = offset + wire.RESPONSE_HEADER.size + wire.OUTCOME.size * outcomes[0].requests + _AT_OFFSET
        in_calls = [
            (index, first + wire.TENSOR_ENTRY.size * index)
            for index, entry in enumerate(entries)
            if entry.flags == wire.IN_CALLS
        ]
        templates[layout] = ResponseTemplate(places, in_calls, block, offset, end)

    def _arrays(self, result: Any) -> tuple[list[Array], Layout]:
        """The arrays of ``result`` in declared order and their layout, if they are as declared; else nothing."""
        if self._calls is not None:
            self._calls.look()
        if type(result) not in self._mappings:
            values = result if type(result) is tuple else (result,)
            if len(values) != len(self._names):
                return [], ()
            result = dict(zip(self._names, values, strict=True))
        arrays = []
        layout: list[tuple[int, ...] | int] = [self.reserved] if self.reserved else []
        for name, dtype in self._numbers:
            array = result.get(name)
            if type(array) is not np.ndarray or array.dtype is not dtype:
                return [], ()
            arrays.append(array)
            layout.append(array.shape)
            if array.nbytes > _MAX_SMALL or self.reserved:
                place = self._place(array)
                layout.append(_CALLS if place & _CALLS and place >= 0 else place)
        return (arrays, tuple(layout)) if len(arrays) == len(result) else ([], ())

    def _place(self, array: Array) -> int:
        """The place of an array in memory that the backend has already, if its bytes are the output's; else -1."""
        address = int(array.__array_interface__["data"][0])
        for place, start, size in self._inputs:
            at = address - start
            if at >= 0 and at + array.nbytes <= size:
                return place + at if at % wire.ALIGNMENT == 0 and array.flags.c_contiguous else -1
        if self._calls is not None and (at := self._calls.offset(address, array)) >= 0:
            return at | _CALLS
        at = self._position_in_response(array)
        return at | _RESPONSE if at >= 0 else -1

    def write(
        self,
        outcomes: list[Outcome],
        failures: Mapping[int, RequestFailure] = _NONE,
        parameters: Sequence[wire.ResponseParameter] = (),
    ) -> BlockPosition:
        """Write tensors and block.

        ``failures``: errors that replace the results of single requests, by place; ``parameters`` of successful
        responses.
        """
        self._written_template = None
        self.memory_failure = None
        requests = sum(outcome.requests for outcome in outcomes)
        results: list[tuple[int, bytes]] = []
        entries: list[wire.TensorEntry] = []
        position = wire.aligned(self.reserved)
        extra = sum(wire.RESPONSE_PARAMETER.size + len(each.name) + len(each.value) for each in parameters)
        for outcome in outcomes:
            failure = outcome.error
            if failure is None:
                position, failure = self._write_outputs(
                    outcome, position, self._block_size(requests, len(outcomes)) + extra, entries
                )
            results.extend([_packed(failure) if failure else _OK] * outcome.requests)
        for place, single in failures.items():
            results[place] = _packed(single)
        parameters = [each for each in parameters if not results[each.request][0]]
        block = wire.response_block(results, entries, parameters)
        try:
            self._reserve(position + len(block), position)
        except ShmError as error:
            report(logging.ERROR, "model %s: %s", self._model, error)
            texts = sum(len(text) for _, text in results)
            room = self.segment.size - position - (len(block) - texts)
            block = wire.response_block(_cut(results, max(0, room - extra) // len(results)), entries, parameters)
        self.segment.view[position : position + len(block)] = block
        return BlockPosition(position, len(block))

    def _write_outputs(
        self, outcome: Outcome, position: int, behind: int, entries: list[wire.TensorEntry]
    ) -> tuple[int, RequestFailure | None]:
        """Write tensors from ``position`` on and leave ``behind`` bytes; their end, or ``position`` and a failure."""
        tensors, end = self._entries(outcome, position)
        try:
            self._reserve(end + behind, position)
        except ShmError as error:
            report(logging.ERROR, "model %s: %s", self._model, error)
            self.memory_failure = RequestFailure("UNAVAILABLE", one_line(str(error)))
            return position, self.memory_failure
        for entry, encoded in tensors:
            if encoded is not None:
                write(encoded, self.segment, entry.offset)
            entries.append(entry)
        return end, None

    def _entries(self, outcome: Outcome, position: int) -> tuple[_Tensors, int]:
        """The entries of the outputs of ``outcome``, which begin at ``position``, and where they end."""
        tensors: _Tensors = []
        assert outcome.outputs is not None
        for index, tensor in enumerate(self._outputs):
            array = outcome.outputs.get(tensor.name)
            if array is None:
                continue
            code = tensor.dtype.code
            at = self._position_in_response(array) if tensor.dtype.item_size else -1
            if at >= 0:
                entry = wire.TensorEntry(index, code, outcome.first, outcome.requests, at, array.nbytes, array.shape)
                tensors.append((entry, None))
                continue
            encoded = encode(array, tensor.dtype)
            entry = wire.TensorEntry(index, code, outcome.first, outcome.requests, position, encoded.size, array.shape)
            tensors.append((entry, encoded))
            position = wire.aligned(position + encoded.size)
        return tensors, position


def _packed(failure: RequestFailure) -> tuple[int, bytes]:
    return wire.OUTCOME_CODES[failure.code], failure.message.encode()


def _cut(results: list[tuple[int, bytes]], limit: int) -> list[tuple[int, bytes]]:
    """The same outcomes with texts of at most ``limit`` bytes each."""
    return [(code, text[: max(0, limit)].decode(errors="ignore").encode()) for code, text in results]
