"""From outcomes to a response segment; runs in the worker's main thread."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import NamedTuple

from pytriton_plugins.errors import ShmError
from pytriton_plugins.models import ModelDeclaration
from pytriton_plugins.shm import wire
from pytriton_plugins.shm.arrays import Array, Encoded, encode, write, write_fixed
from pytriton_plugins.shm.segment import Segment
from pytriton_plugins.worker.call import Outcome
from pytriton_plugins.worker.failures import one_line

_LOG = logging.getLogger("pytriton.worker")
_MOST_PLANS = 64
_OK = (0, b"")

_Tensors = list[tuple[wire.TensorEntry, Encoded]]


class Written(NamedTuple):
    """Where the response block of a batch stands in the segment, in bytes."""

    offset: int
    length: int


class _Plan(NamedTuple):
    """Where the outputs of a wholly successful batch and its block go: the same for all outputs of like shapes."""

    offsets: tuple[int, ...]
    end: int
    block: bytes
    written: Written


class ResponseWriter:
    """Writes the answers of one slot into ``segment``, which grows as needed."""

    def __init__(self, declaration: ModelDeclaration, segment: Segment, need: Callable[[int, int], Segment]) -> None:
        """``need(size, replaced)`` gets a larger segment from the host, or raises ShmError."""
        self.segment = segment
        self._name = declaration.name
        self._outputs = declaration.outputs
        fixed = all(tensor.dtype.item_size for tensor in declaration.outputs)
        self._dtypes = [tensor.dtype.numpy for tensor in declaration.outputs] if fixed else []
        self._standing: _Plan | None = None
        """The plan whose block stands in the segment, all but the number of its batch."""
        self._need = need
        self._plans: dict[tuple[object, ...], _Plan] = {}

    def write(self, batch: int, requests: int, outcomes: list[Outcome]) -> Written:
        """Write tensors and block."""
        if self._dtypes and len(outcomes) == 1:
            outputs = outcomes[0].outputs
            if outputs is not None and len(outputs) == len(self._dtypes):
                # The checks put the outputs into declared order.
                written = self._write_like_before(batch, requests, list(outputs.values()))
                if written is not None:
                    return written
        self._standing = None
        return self._write(batch, requests, outcomes)

    def _write_like_before(self, batch: int, requests: int, arrays: list[Array]) -> Written | None:
        """The short way for outputs whose places are known, or None when the segment has no room for them."""
        key = (requests, *[array.shape for array in arrays])
        plan = self._plans.get(key) or self._new_plan(key, requests, arrays)
        segment = self.segment
        end = plan.end + len(plan.block)
        if end > segment.size:
            return None
        for dtype, array, offset in zip(self._dtypes, arrays, plan.offsets, strict=True):
            write_fixed(array, dtype, segment, offset)
        if plan is not self._standing:
            segment.view[plan.end : end] = plan.block
            self._standing = plan
        wire.set_response_batch(segment.view, plan.end, batch)
        return plan.written

    def _new_plan(self, key: tuple[object, ...], requests: int, arrays: list[Array]) -> _Plan:
        outputs = {tensor.name: array for tensor, array in zip(self._outputs, arrays, strict=True)}
        tensors, end = self._place(Outcome(0, requests, outputs, None), 0)
        entries = [entry for entry, _ in tensors]
        if len(self._plans) >= _MOST_PLANS:
            self._plans.clear()
        block = bytes(wire.response_block(0, [_OK] * requests, entries))
        plan = _Plan(tuple(entry.offset for entry in entries), end, block, Written(end, len(block)))
        self._plans[key] = plan
        return plan

    def _write(self, batch: int, requests: int, outcomes: list[Outcome]) -> Written:
        results: list[tuple[int, bytes]] = []
        entries: list[wire.TensorEntry] = []
        position = 0
        for outcome in outcomes:
            result = _OK
            if outcome.error:
                result = (wire.OUTCOME_CODES[outcome.error.code], outcome.error.message.encode())
            else:
                tensors, end = self._place(outcome, position)
                try:
                    self._reserve(end + self._block_room(requests), position)
                except ShmError as error:
                    _LOG.error("model %s: %s", self._name, error)
                    result = (wire.OUTCOME_CODES["UNAVAILABLE"], one_line(str(error)).encode())
                else:
                    for entry, encoded in tensors:
                        write(encoded, self.segment, entry.offset)
                        entries.append(entry)
                    position = end
            results.extend([result] * outcome.requests)
        block = wire.response_block(batch, results, entries)
        try:
            self._reserve(position + len(block), position)
        except ShmError as error:
            _LOG.error("model %s: %s", self._name, error)
            texts = sum(len(text) for _, text in results)
            room = self.segment.size - position - (len(block) - texts)
            block = wire.response_block(batch, _cut(results, room // len(results)), entries)
        self.segment.view[position : position + len(block)] = block
        return Written(position, len(block))

    def _place(self, outcome: Outcome, position: int) -> tuple[_Tensors, int]:
        """Where the outputs of ``outcome`` will stand, from ``position`` on, and where they end."""
        tensors: _Tensors = []
        assert outcome.outputs is not None
        for index, tensor in enumerate(self._outputs):
            array = outcome.outputs.get(tensor.name)
            if array is None:
                continue
            encoded = encode(array, tensor.dtype)
            code = tensor.dtype.code
            entry = wire.TensorEntry(index, code, outcome.first, outcome.requests, position, encoded.size, array.shape)
            tensors.append((entry, encoded))
            position = wire.aligned(position + encoded.size)
        return tensors, position

    def _block_room(self, requests: int) -> int:
        """Enough for a block in which every request succeeds."""
        tensors = requests * len(self._outputs) * wire.TENSOR_ENTRY.size
        return wire.RESPONSE_HEADER.size + requests * wire.OUTCOME.size + tensors

    def _reserve(self, size: int, written: int) -> None:
        """Make the segment hold ``size`` bytes, the first ``written`` of which stay; raises ShmError."""
        old = self.segment
        if size <= old.size:
            return
        new = self._need(size, old.number)
        new.bytes[:written] = old.bytes[:written]
        if old.unsent >= 0:
            os.close(old.unsent)
        self.segment = new


def _cut(results: list[tuple[int, bytes]], most: int) -> list[tuple[int, bytes]]:
    """The same outcomes with texts of at most ``most`` bytes each."""
    return [(code, text[: max(0, most)].decode(errors="ignore").encode()) for code, text in results]
