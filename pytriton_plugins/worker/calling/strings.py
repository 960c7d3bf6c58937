"""From a value that a callable returned to an object array of ``bytes``; runs in the worker."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytriton_plugins.errors import ResultError
from pytriton_plugins.model.tensors import DType

Array = NDArray[Any]

_SINGLE = (bytes, str, bytearray, memoryview)


def as_strings(place: str, value: Any, dtype: DType) -> Array:
    """``value``, an array or list of ``bytes`` or ``str``, or one of them, as an object array of ``bytes``.

    Never by way of numpy's bytes of a fixed width, which drop zeros at the end. Raises ResultError.
    """
    return _encoded(place, _objects(place, value, dtype), dtype)


def _objects(place: str, value: Any, dtype: DType) -> Any:
    if isinstance(value, _SINGLE):
        single = np.empty((), object)
        single[()] = value if isinstance(value, str) else bytes(value)
        return single
    if isinstance(value, (list, tuple)):
        try:
            return np.array(_listed(place, value), dtype=object)
        except ValueError:
            raise ResultError(f"{place}: the lists differ in length or depth; make all rows equally long") from None
    _refuse_fixed_width(place, value)
    if value.dtype.kind in "UT":
        return value.astype(object)
    if value.dtype != object:
        raise ResultError(f"{place} is an array of {value.dtype}, declared is {dtype.written}; return bytes or str")
    return value


def _listed(place: str, value: Any) -> Any:
    """``value`` with nothing in it that numpy would take for something else than a string."""
    types = {*map(type, value)}
    if types <= {bytes, str}:
        return value
    return [_item(place, item) for item in value]


def _item(place: str, item: Any) -> Any:
    if isinstance(item, (list, tuple)):
        return _listed(place, item)
    if isinstance(item, (bytearray, memoryview)):  # numpy would see numbers
        return bytes(item)
    if isinstance(item, np.ndarray):
        _refuse_fixed_width(place, item)
    return item


def _refuse_fixed_width(place: str, array: Array) -> None:
    """Text may have a fixed width: no text ends in a zero, and ``np.array(labels)[index]`` is how authors write it."""
    if array.dtype.kind == "S":
        raise ResultError(
            f"{place} is an array of {array.dtype}, in which numpy drops zeros at the end of a string; "
            "return a list, or an array made with dtype=object"
        )


def _encoded(place: str, array: Array, dtype: DType) -> Array:
    items: list[Any] = array.ravel().tolist()
    types = [*map(type, items)]
    if dtype.python is bytes and types.count(bytes) == len(items):
        return array
    all_text = types.count(str) == len(items)
    texts = map(str.encode, items) if all_text else (_bytes(item, dtype) for item in items)
    try:
        encoded: Array = np.fromiter(texts, object, len(items))
    except (TypeError, UnicodeError):
        raise ResultError(_unencodable(place, items, dtype)) from None
    return encoded.reshape(array.shape)


def _bytes(item: Any, dtype: DType) -> bytes:
    if isinstance(item, str):
        return item.encode()
    if not isinstance(item, (bytes, bytearray)):
        raise TypeError(f"is a {type(item).__name__}; return bytes or str")
    if dtype.python is str:
        item.decode()
    return bytes(item)


def _unencodable(place: str, items: list[Any], dtype: DType) -> str:
    for index, item in enumerate(items):
        try:
            _bytes(item, dtype)
        except TypeError as error:
            return f"{place}: string {index} {error}"
        except UnicodeError as error:
            return f"{place}: string {index} is not UTF-8 ({error}); declare bytes for other encodings"
    raise AssertionError("every item can be encoded")
