"""From what a callable passes to a call to arrays, and to the payload of CALL."""

from __future__ import annotations

import struct
import sys
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytriton_plugins.errors import ModelCallError, ResultError
from pytriton_plugins.model.tensors import BYTES, MAX_RANK, NUMERIC, DType, bfloat16
from pytriton_plugins.shm import wire
from pytriton_plugins.text import one_line
from pytriton_plugins.worker.calling.conversion import as_array

Array = NDArray[Any]
_MAX_TEMPLATES = 256
_DTYPES: dict[np.dtype[Any], DType] = {dtype.numpy: dtype for dtype in NUMERIC}
MAX_SMALL = 1 << 14
"""Bytes of an input up to which it is cheaper to copy it twice than to find its place."""

_PLACED = 16
"""Bytes of an input's entry behind its place: offset and length."""


class InputsTemplate:
    """The part of a payload that is equal in all calls with these names, dtypes, shapes and requested outputs."""

    __slots__ = ("dtypes", "pack", "parts", "size", "spans")

    def __init__(self, tensors: Sequence[tuple[str, DType, tuple[int, ...]]], outputs: Sequence[str]) -> None:
        self.dtypes = [dtype for _, dtype, _ in tensors]
        parts, tail = [], b""
        for name, dtype, shape in tensors:
            text = name.encode()
            head = wire.CALL_TENSOR.pack(dtype.code, len(shape), len(text), 0, 0, 0)[: -_PLACED - 4]
            parts.append(tail + head)
            tail = struct.pack(f"<{len(shape)}q", *shape) + text
        for output in map(str.encode, outputs):
            tail += len(output).to_bytes(4, "little") + output
        self.parts = [*parts, tail]
        layout = "".join(f"{len(part)}sIQQ" for part in parts) + f"{len(tail)}s"
        self.pack = struct.Struct(f"<{layout}").pack
        """Takes each part, and after each but the last one place, offset and length of an input."""
        self.spans: list[tuple[int, int]] = []
        """Start and end of each input, one behind the other."""
        self.size = self._small_size([(dtype, prod(shape)) for _, dtype, shape in tensors])
        """The bytes of all inputs if they are small and have no strings, else -1."""

    def _small_size(self, tensors: Sequence[tuple[DType, int]]) -> int:
        start = 0
        for dtype, count in tensors:
            length = count * dtype.item_size
            if not dtype.item_size or length > MAX_SMALL:
                return -1
            self.spans.append((start, start + length))
            start = wire.aligned(start + length)
        return start


class Inputs:
    """The checked inputs of one call and its payload's template."""

    __slots__ = ("arrays", "template")

    def __init__(self, arrays: list[Array], template: InputsTemplate) -> None:
        self.arrays = arrays
        self.template = template

    def packed(self, places: Sequence[tuple[int, int, int]]) -> bytes:
        """The entries of the inputs, at ``places`` (segment, offset, length), and of the requested outputs."""
        parts = self.template.parts
        if len(places) == 1:
            return self.template.pack(parts[0], *places[0], parts[1])
        fields: list[Any] = []
        for part, place in zip(parts, places, strict=False):
            fields += (part, *place)
        return self.template.pack(*fields, parts[-1])


class InputBuilder:
    """Checks the inputs of calls of one model; templates are remembered."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._templates: dict[Any, InputsTemplate] = {}
        self._last: tuple[Any, Any, Any, InputsTemplate] | None = None
        """Of the last call with one input, of numbers, and without names of outputs: name, dtype and shape."""

    def build(self, inputs: Mapping[str, Any] | None, named: Mapping[str, Any], outputs: Sequence[str]) -> Inputs:
        """The inputs in a mapping and by keyword; raises ModelCallError."""
        given = named if inputs is None else self._merged(inputs, named)
        if self._last is not None and len(given) == 1 and not outputs and (same := self._like_last(given)) is not None:
            return same
        arrays: list[Array] = []
        key: list[Any] = [*outputs]
        for name, value in given.items():
            if type(value) is not np.ndarray or value.dtype not in _DTYPES or not value.ndim:
                value = self._array(name, value)
            arrays.append(value)
            key += (name, value.dtype, value.shape)
        found = tuple(key)
        template = self._templates.get(found) or self._add(found, given, arrays, outputs)
        if len(arrays) == 1 and not outputs and arrays[0].dtype in _DTYPES:
            self._last = (*found, template)
        return Inputs(arrays, template)

    def _like_last(self, given: Mapping[str, Any]) -> Inputs | None:
        assert self._last is not None
        name, dtype, shape, template = self._last
        value = given.get(name)
        if type(value) is np.ndarray and value.dtype is dtype and value.shape == shape:
            return Inputs([value], template)
        return None

    def _add(self, key: Any, names: Mapping[str, Any], arrays: list[Array], outputs: Sequence[str]) -> InputsTemplate:
        for text in (*names, *outputs):
            self._check_name(text)
        tensors = []
        for name, array in zip(names, arrays, strict=True):
            if array.ndim > MAX_RANK:
                raise self._mistake(f"input {name!r} has {array.ndim} dimensions; pass at most {MAX_RANK}")
            tensors.append((name, dtype_of(array), array.shape))
        if len(self._templates) >= _MAX_TEMPLATES:
            self._templates.clear()
        template = self._templates[key] = InputsTemplate(tensors, outputs)
        return template

    def _merged(self, inputs: Mapping[str, Any], named: Mapping[str, Any]) -> Mapping[str, Any]:
        if not isinstance(inputs, Mapping):
            raise self._mistake(
                f"the inputs are a {type(inputs).__name__}; pass them by keyword, or as one dict by name"
            )
        for name in named:
            if name in inputs:
                raise self._mistake(f"input {one_line(name)} is given twice; remove one of them")
        return {**inputs, **named}

    def _array(self, name: str, value: Any) -> Array:
        prefix = f"input {one_line(str(name))!r}"
        array: Array = value
        if isinstance(value, (str, bytes, bytearray, memoryview, list, tuple)) and _holds_strings(value):
            array = self._strings(prefix, value)
        elif not isinstance(value, np.ndarray):
            array = self._natural(prefix, value)
        masked = getattr(sys.modules.get("numpy.ma"), "MaskedArray", ())  # numpy imports it on its first use
        if isinstance(array, masked):
            raise self._mistake(f"{prefix} is a masked array, whose mask cannot be sent; pass .filled(…)")
        if array.dtype.kind in "OSUT":
            array = self._strings(prefix, array)
        elif array.dtype not in _DTYPES:
            array = self._known(prefix, array)
        return array if array.ndim else array.reshape(1)

    def _natural(self, prefix: str, value: Any) -> Array:
        try:
            return np.asarray(value)
        except Exception as error:
            hint = "; pass .cpu()" if hasattr(value, "cpu") else ""
            kind = type(value).__name__
            raise self._mistake(f"{prefix}: a {kind} cannot become an array ({one_line(error, 100)}){hint}") from None

    def _strings(self, prefix: str, value: Any) -> Array:
        try:
            return as_array(prefix, value, BYTES)
        except ResultError as error:
            raise self._mistake(str(error).replace("return ", "pass ")) from None

    def _known(self, prefix: str, array: Array) -> Array:
        native = array.dtype.newbyteorder("=")
        if native == bfloat16().numpy and native not in _DTYPES:
            _DTYPES[native] = bfloat16()
        if native not in _DTYPES:
            raise self._mistake(f"{prefix}: Triton has no dtype {array.dtype}; pass .astype(…)")
        return array.astype(native)

    def _check_name(self, name: object) -> None:
        if not isinstance(name, str) or not 0 < len(name) <= 4096 or "\0" in name or not _is_utf8(name):
            raise self._mistake(f"invalid name {one_line(repr(name), 60)}: expected a text")

    def _mistake(self, text: str) -> ModelCallError:
        return ModelCallError(self._model, "INVALID_ARG", text)


def dtype_of(array: Array) -> DType:
    """The data type of a checked array."""
    return _DTYPES.get(array.dtype, BYTES)


def _holds_strings(value: Any) -> bool:
    """Whether a list has strings, which numpy would make arrays of a fixed width of."""
    if not isinstance(value, (list, tuple)):
        return True
    kinds = {*map(type, value)}
    if kinds & {str, bytes, bytearray}:
        return True
    return bool(kinds & {list, tuple}) and any(
        _holds_strings(item) for item in value if isinstance(item, (list, tuple))
    )


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
