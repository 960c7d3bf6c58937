"""The inputs of a call in shared memory: those that are there already are not copied."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytriton_plugins.errors import ShmError
from pytriton_plugins.shm import wire
from pytriton_plugins.shm.arrays import Encoded, encode, write, write_fixed
from pytriton_plugins.shm.segment import Segment
from pytriton_plugins.worker.nested.inputs import MAX_SMALL
from pytriton_plugins.worker.nested.memory import CallMemory, Region
from pytriton_plugins.worker.nested.request import FIRST_AREA, CallRequest

Array = NDArray[Any]
Place = tuple[int, int, int]
"""The segment (`wire.IN_CALL_SEGMENT`), offset and length of an input."""

_NEW = -1
"""In the place of a segment: the offset counts from the start of the region that is not there yet."""


def place(request: CallRequest, memory: CallMemory, batch: Segment | None) -> tuple[Region, list[Place]]:
    """Write the inputs to a new region, which also has an area for the result; raises ShmError.

    ``batch``: the segment with the inputs of the running batch.
    """
    area = request.target.size(request.options.outputs)
    while True:
        before = memory.segment
        places, unwritten, size = _laid_out(request, memory, batch)
        region = _region(memory, size, area)
        if region.segment is before or all(where != wire.IN_CALL_SEGMENT for where, _, _ in places):
            break
        region.release()  # a result in the old segment is an input: it must be copied
    for index, each in unwritten:
        _, at, length = places[index]
        places[index] = (wire.IN_CALL_SEGMENT, region.start + at, length)
        _write(each, region.segment, region.start + at)
    return region, places


def _region(memory: CallMemory, size: int, area: int) -> Region:
    """A region with an area of ``area`` bytes, or with a small one: the response is perhaps smaller than the last."""
    try:
        return memory.take(size, area)
    except ShmError:
        if area <= FIRST_AREA:
            raise
        return memory.take(size, FIRST_AREA)


def _laid_out(
    request: CallRequest, memory: CallMemory, batch: Segment | None
) -> tuple[list[Place], list[tuple[int, Array | Encoded]], int]:
    """The place of each input, those that must be written, and their size."""
    places: list[Place] = []
    unwritten: list[tuple[int, Array | Encoded]] = []
    size = 0
    for array, dtype in zip(request.inputs.arrays, request.inputs.template.dtypes, strict=True):
        if not dtype.item_size:
            encoded = encode(array, dtype)
            length = encoded.size
            unwritten.append((len(places), encoded))
        else:
            length = array.nbytes
            found = _found(array, memory, batch) if length > MAX_SMALL else None
            if found is not None:
                places.append(found)
                continue
            unwritten.append((len(places), array))
        places.append((_NEW, size, length))
        size = wire.aligned(size + length)
    return places, unwritten, size


def _found(array: Array, memory: CallMemory, batch: Segment | None) -> Place | None:
    """Where an array lies that need not be copied."""
    if not array.flags.c_contiguous:
        return None
    address, size = int(array.__array_interface__["data"][0]), array.nbytes
    for where, segment in ((wire.IN_CALL_SEGMENT, memory.segment), (wire.IN_REQUEST_SEGMENT, batch)):
        at = address - segment.address if segment is not None else -1
        if segment is not None and at >= 0 and at + size <= segment.size:
            return (where, at, size) if at % wire.ALIGNMENT == 0 else None
    return None


def _write(each: Array | Encoded, segment: Segment, at: int) -> None:
    if not isinstance(each, np.ndarray):
        write(each, segment, at)
    elif each.nbytes > MAX_SMALL:
        write_fixed(each, each.dtype, segment, at)
    else:
        segment.mapping[at : at + each.nbytes] = each.tobytes()
