"""From outcomes to a response segment; runs in the worker's main thread."""

from __future__ import annotations

import logging
import mmap
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from pytriton_plugins.errors import ShmError
from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.shm import wire
from pytriton_plugins.shm.arrays import Array, Encoded, encode, write, write_fixed
from pytriton_plugins.shm.loan import Loan
from pytriton_plugins.shm.segment import Segment
from pytriton_plugins.worker.blocks.response_buffer import ResponseRoom
from pytriton_plugins.worker.calling.errors import RequestFailure, one_line
from pytriton_plugins.worker.calling.runner import Outcome
from pytriton_plugins.worker.log import report

_MOST_ANSWERS, _MOST_ANSWERED = 64, 1 << 20
"""How many answers to batches of one form are remembered, and how many bytes their blocks may have in all."""

_SMALL = 1 << 14
"""Bytes up to which it is cheaper to copy an array twice than to have numpy prepare a copy, or to ask where it lies."""
_OK = (0, b"")

_NONE: Mapping[int, RequestFailure] = {}

_Tensors = list[tuple[wire.TensorEntry, Encoded | None]]
"""Entries, and what is to be written for them; None for what lies there already."""


class Written(NamedTuple):
    """Where the response block of a batch stands in the segment, in bytes."""

    offset: int
    length: int


Form = tuple[tuple[int, ...] | int, ...]
"""The shape of each output, and behind that of a large one its place in what the inputs lie in, or -1."""

_PLACE_BITS = 48
"""A place is an offset in the request segment, or with the number of a loan above these bits an offset in that."""

_RESPONSE = 1 << 62
"""With this bit a place is an offset in the response segment."""


class Answer:
    """Where the outputs of a wholly successful batch go, begin and end of each, and its block.

    The end of an output that stays where it lies is 0: where an input does, or in the response already.
    """

    __slots__ = ("block", "end", "offset", "places", "written")

    def __init__(self, places: list[tuple[int, int]], block: bytes, offset: int, end: int) -> None:
        self.places = places
        self.block = block
        self.offset = offset
        self.end = end
        self.written = Written(offset, len(block))


Answers = dict[Form, Answer]
"""What was answered to batches whose requests were alike, by the form of what the callable returned."""


class ResponseWriter(ResponseRoom):
    """Writes the answers of one slot into ``segment``, which grows as needed."""

    def __init__(self, declaration: ModelDeclaration, segment: Segment, need: Callable[[int, int], Segment]) -> None:
        """``need(size, replaced)`` gets a larger segment from the host, or raises ShmError."""
        super().__init__(declaration, segment, need)
        self.short: RequestFailure | None = None
        """What requests of the last batch were told for lack of memory."""
        fixed = all(tensor.dtype.item_size for tensor in declaration.outputs)
        self._numbers = [(tensor.name, tensor.dtype.numpy) for tensor in declaration.outputs] if fixed else []
        self._standing: Answer | None = None
        """The answer whose block stands in the segment."""
        self._inputs: list[tuple[int, int, int]] = []
        """Where inputs may lie: the place of the first byte, its address, and how many bytes."""

    def take_inputs(self, inputs: Mapping[int, Segment | Loan]) -> None:
        """Inputs lie in these from now on, the request segment being number 0: what is given back is not copied."""
        self._inputs = [(number << _PLACE_BITS, memory.address, memory.size) for number, memory in inputs.items()]

    def trim(self) -> None:
        """Give the segment's memory back to the system; nothing stands there any more."""
        self.segment.mapping.madvise(mmap.MADV_REMOVE)
        self._standing = None

    def write_again(self, answers: Answers, result: Any) -> Written | None:
        """Write what the callable returned if it is like an answer that was learned, else None."""
        arrays, form = self._arrays(result)
        answer = answers.get(form)
        if answer is None:
            return None
        segment = self.segment
        for index, array in enumerate(arrays):
            start, end = answer.places[index]
            if end - start > _SMALL:
                write_fixed(array, array.dtype, segment, start)
            elif end:
                segment.mapping[start:end] = array.tobytes()
        if answer is not self._standing:
            segment.mapping[answer.offset : answer.end] = answer.block
            self._standing = answer
        return answer.written

    def learn(self, answers: Answers, result: Any, outcomes: list[Outcome]) -> None:
        """Have `write_again` write results like this one, which was found right and written."""
        arrays, form = self._arrays(result)
        if not arrays or len(outcomes) != 1 or outcomes[0].error:
            return
        entries, places, offset = [], [], wire.aligned(self.reserved)
        tensors, whole = self._place(outcomes[0], offset)
        for (entry, _), array in zip(tensors, arrays, strict=True):
            there = self._lies(array) if array.nbytes > _SMALL or self.reserved else -1
            if there & _RESPONSE and there >= 0:
                entries.append(entry._replace(offset=there ^ _RESPONSE))
                places.append((there, 0))
            elif there >= 0:
                loan = there >> _PLACE_BITS
                flags = loan << wire.LOAN_SHIFT if loan else wire.IN_REQUEST
                entries.append(entry._replace(offset=there & ((1 << _PLACE_BITS) - 1), flags=flags))
                places.append((there, 0))
            else:
                entries.append(entry._replace(offset=offset))
                places.append((offset, offset + entry.length))
                offset = wire.aligned(offset + entry.length)
        block = bytes(wire.response_block([_OK] * outcomes[0].requests, entries))
        end = offset + len(block)
        if whole + len(block) > self.segment.size:
            return  # it was refused: also what stays where it is counts against the model's limit
        if len(answers) >= min(_MOST_ANSWERS, _MOST_ANSWERED // len(block)):
            answers.clear()
        answers[form] = Answer(places, block, offset, end)

    def _arrays(self, result: Any) -> tuple[list[Array], Form]:
        """The arrays of ``result`` in declared order and their form, if it is just what is declared; else nothing."""
        if type(result) is not dict:
            values = result if type(result) is tuple else (result,)
            if len(values) != len(self._names):
                return [], ()
            result = dict(zip(self._names, values, strict=True))
        arrays = []
        form: list[tuple[int, ...] | int] = [self.reserved] if self.reserved else []
        for name, dtype in self._numbers:
            array = result.get(name)
            if type(array) is not np.ndarray or array.dtype is not dtype:
                return [], ()
            arrays.append(array)
            form.append(array.shape)
            if array.nbytes > _SMALL or self.reserved:
                form.append(self._lies(array))
        return (arrays, tuple(form)) if len(arrays) == len(result) else ([], ())

    def _lies(self, array: Array) -> int:
        """The place of an array that lies where inputs do, or in the response, as it would be written; else -1."""
        address = int(array.__array_interface__["data"][0])
        for place, start, size in self._inputs:
            at = address - start
            if at >= 0 and at + array.nbytes <= size:
                return place + at if at % wire.ALIGNMENT == 0 and array.flags.c_contiguous else -1
        at = self._in_response(array)
        return at | _RESPONSE if at >= 0 else -1

    def write(
        self,
        outcomes: list[Outcome],
        failures: Mapping[int, RequestFailure] = _NONE,
        parameters: Sequence[wire.ResponseParameter] = (),
    ) -> Written:
        """Write tensors and block.

        ``failures``: what single requests, by place, are told instead; ``parameters`` of successful responses.
        """
        self._standing = None
        self.short = None
        requests = sum(outcome.requests for outcome in outcomes)
        results: list[tuple[int, bytes]] = []
        entries: list[wire.TensorEntry] = []
        position = wire.aligned(self.reserved)
        said = sum(wire.RESPONSE_PARAMETER.size + len(each.name) + len(each.value) for each in parameters)
        for outcome in outcomes:
            failure = outcome.error
            if failure is None:
                position, failure = self._write_outputs(
                    outcome, position, self._block_room(requests, len(outcomes)) + said, entries
                )
            results.extend([_told(failure) if failure else _OK] * outcome.requests)
        for place, single in failures.items():
            results[place] = _told(single)
        parameters = [each for each in parameters if not results[each.request][0]]
        block = wire.response_block(results, entries, parameters)
        try:
            self._reserve(position + len(block), position)
        except ShmError as error:
            report(logging.ERROR, "model %s: %s", self._name, error)
            texts = sum(len(text) for _, text in results)
            room = self.segment.size - position - (len(block) - texts)
            block = wire.response_block(_cut(results, max(0, room - said) // len(results)), entries, parameters)
        self.segment.view[position : position + len(block)] = block
        return Written(position, len(block))

    def _write_outputs(
        self, outcome: Outcome, position: int, behind: int, entries: list[wire.TensorEntry]
    ) -> tuple[int, RequestFailure | None]:
        """Write tensors from ``position`` on, with ``behind`` bytes left; where they end, and why there are none."""
        tensors, end = self._place(outcome, position)
        try:
            self._reserve(end + behind, position)
        except ShmError as error:
            report(logging.ERROR, "model %s: %s", self._name, error)
            self.short = RequestFailure("UNAVAILABLE", one_line(str(error)))
            return position, self.short
        for entry, encoded in tensors:
            if encoded is not None:
                write(encoded, self.segment, entry.offset)
            entries.append(entry)
        return end, None

    def _place(self, outcome: Outcome, position: int) -> tuple[_Tensors, int]:
        """Where the outputs of ``outcome`` will stand, from ``position`` on, and where they end."""
        tensors: _Tensors = []
        assert outcome.outputs is not None
        for index, tensor in enumerate(self._outputs):
            array = outcome.outputs.get(tensor.name)
            if array is None:
                continue
            code = tensor.dtype.code
            at = self._in_response(array) if tensor.dtype.item_size else -1
            if at >= 0:
                entry = wire.TensorEntry(index, code, outcome.first, outcome.requests, at, array.nbytes, array.shape)
                tensors.append((entry, None))
                continue
            encoded = encode(array, tensor.dtype)
            entry = wire.TensorEntry(index, code, outcome.first, outcome.requests, position, encoded.size, array.shape)
            tensors.append((entry, encoded))
            position = wire.aligned(position + encoded.size)
        return tensors, position


def _told(failure: RequestFailure) -> tuple[int, bytes]:
    return wire.OUTCOME_CODES[failure.code], failure.message.encode()


def _cut(results: list[tuple[int, bytes]], most: int) -> list[tuple[int, bytes]]:
    """The same outcomes with texts of at most ``most`` bytes each."""
    return [(code, text[: max(0, most)].decode(errors="ignore").encode()) for code, text in results]
