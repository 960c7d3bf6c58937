"""The layout of a batch's tensors in a request segment, as the backend places them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.shm import wire
from pytriton_plugins.shm.arrays import Encoded, encode

Arrays = Mapping[str, NDArray[Any]]
Loans = Mapping[int, NDArray[np.uint8]]
Placed = list[tuple[Encoded, int]]
"""The bytes to write, and where."""


def head_size(declaration: ModelDeclaration, requests: int, entries: int) -> int:
    """Bytes of a request block."""
    entry = wire.request_entry_size(len(declaration.outputs))
    return wire.REQUEST_HEADER.size + requests * entry + entries * wire.TENSOR_ENTRY.size


def place_inputs(
    declaration: ModelDeclaration, requests: Sequence[Arrays], rows: list[int], loans: Loans
) -> tuple[list[wire.TensorEntry], Placed]:
    """The entries of the block, and the tensors without a loan."""
    separate = declaration.apart
    spans = [(index, 1) for index in range(len(rows))] if separate else [(0, len(rows))]
    present = [
        (first, count, index)
        for first, count in spans
        for index, tensor in enumerate(declaration.inputs)
        if tensor.name in requests[first]
    ]
    entries: list[wire.TensorEntry] = []
    tensors: Placed = []
    position = wire.aligned(head_size(declaration, len(rows), len(present)))
    for first, count, index in present:
        tensor = declaration.inputs[index]
        parts = [request[tensor.name] for request in requests[first : first + count]]
        array = np.concatenate(parts) if len(parts) > 1 else parts[0]
        encoded = encode(array, tensor.dtype)
        entry = wire.TensorEntry(index, tensor.dtype.code, first, count, position, encoded.size, array.shape)
        if (place := _lent(array, loans)) is not None:
            entries.append(entry._replace(offset=place[1], flags=place[0] << wire.LOAN_SHIFT))
            continue
        entries.append(entry)
        tensors.append((encoded, position))
        position = wire.aligned(position + encoded.size)
    return entries, tensors


def _lent(array: NDArray[Any], loans: Loans) -> tuple[int, int] | None:
    """The loan of which ``array`` is a view, and its offset there."""
    for number, memory in loans.items():
        offset = array.ctypes.data - memory.ctypes.data
        if offset >= 0 and offset + array.nbytes <= memory.nbytes:
            return number, offset
    return None
