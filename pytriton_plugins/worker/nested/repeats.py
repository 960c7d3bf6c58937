"""Calls like an earlier one: what was sent from a region, and what came into it, is kept with the region.

Between two calls other processes use the processor and its caches, so the cost of a call is the number of its steps.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pytriton_plugins.shm import wire
from pytriton_plugins.shm.details import Value
from pytriton_plugins.worker.nested.results import Array, Outputs

if TYPE_CHECKING:
    from pytriton_plugins.worker.nested.memory import Region
    from pytriton_plugins.worker.nested.request import CallRequest

_NUMBERS, _AT_NUMBERS = struct.Struct("<QQ").pack_into, 16
_TIMEOUT, _AT_TIMEOUT = struct.Struct("<Q").pack_into, wire.CHANNEL_MESSAGE.size + 16


class Sent:
    """A CALL whose inputs are small and lie in one region."""

    __slots__ = ("_is_limited", "_message", "_options", "_places")

    def __init__(self, request: CallRequest, region: Region, message: bytes) -> None:
        self._options = request.options
        self._is_limited = request.limit is not None
        self._message = bytearray(message)
        start = region.origin
        self._places = [slice(start + at, start + end) for at, end in request.inputs.template.spans]

    def again(self, request: CallRequest, region: Region, batch: int, number: int) -> bytearray | None:
        """The message for a call like it, whose inputs are written to its region; None for other options.

        Raises ModelCallError if it is late already.
        """
        if request.options is not self._options and request.options != self._options:
            return None
        message = self._message
        if self._is_limited or request.limit is not None:
            _TIMEOUT(message, _AT_TIMEOUT, request.microseconds())
            self._is_limited = request.limit is not None
        _NUMBERS(message, _AT_NUMBERS, batch, number)
        mapping, arrays = region.segment.mapping, request.inputs.arrays
        for index, place in enumerate(self._places):
            mapping[place] = arrays[index].tobytes()
        return message


class Answer:
    """A successful RESULT of a call with one response: numbers only, so that equal payloads have equal outputs."""

    __slots__ = ("arrays", "end", "full", "parameters", "size")

    def __init__(self, outputs: Outputs, region: Region, end: int, size: int) -> None:
        """``end``: of the outputs in the segment; ``size``: the bytes from the start of the area to there."""
        self.arrays: tuple[tuple[str, Array], ...] = tuple((name, array.view()) for name, array in outputs.items())
        self.parameters: Mapping[str, Value] = outputs.parameters
        self.end = end
        self.size = size
        self.full = region.area + wire.aligned(size)
        """The end of an area of this size."""

    def outputs(self) -> Outputs:
        """New views of the region."""
        outputs = Outputs()
        outputs.parameters = {**self.parameters}
        for name, array in self.arrays:
            outputs[name] = array.view()
        return outputs
