"""From a value that a callable returned to an array of the declared dtype; runs in the worker."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytriton_plugins.errors import ResultError
from pytriton_plugins.tensors import DType

Array = NDArray[Any]

_PLAIN = (list, tuple, bool, int, float, complex, np.generic)
_TEXT = (bytes, str, bytearray, memoryview)
_KINDS = {"b": "b", "i": "biu", "u": "biu", "f": "biuf", "V": "biuf"}
"""Kinds of Python values that an output of each kind takes, V being bfloat16: no fraction and no sign is lost."""


def as_array(place: str, value: Any, dtype: DType) -> Array:
    """``value`` as an array of ``dtype``: Python values are converted, arrays must have the dtype already.

    Strings become an object array of ``bytes``. Raises ResultError, which begins with ``place``.
    """
    if dtype.python:
        return _encoded(place, _text_array(place, value, dtype), dtype)
    if isinstance(value, _PLAIN):
        return _converted(place, value, dtype)
    array = _array_of(place, value)
    if array.dtype != dtype.numpy:
        raise ResultError(
            f"{place} is an array of {array.dtype}, declared is {dtype.written}; write .astype({dtype.written})"
        )
    return array


def _array_of(place: str, value: Any) -> Array:
    kind = type(value).__name__
    try:
        array = np.asarray(value)
    except MemoryError:
        raise
    except Exception as error:
        device = str(getattr(value, "device", "cpu"))
        if hasattr(value, "cpu") and not device.startswith("cpu"):
            raise ResultError(f"{place} lies on {device}; write .cpu()") from None
        raise ResultError(f"{place}: a {kind} cannot become an array ({type(error).__name__}: {error})") from error
    if array.dtype == object and not hasattr(value, "__array__"):
        raise ResultError(f"{place} is a {kind}; return an array, a list or a number")
    return array


def _converted(place: str, value: Any, dtype: DType) -> Array:
    natural = _array_of(place, value)
    if natural.size == 0:
        return np.empty(natural.shape, dtype.numpy)
    if natural.dtype.kind not in _KINDS[dtype.numpy.kind]:
        raise ResultError(
            f"{place} holds values of {natural.dtype}, declared is {dtype.written}; convert them or declare another"
        )
    with np.errstate(all="ignore"):
        array = natural.astype(dtype.numpy)
    overflown = np.isinf(array) & ~np.isinf(natural) if dtype.numpy.kind in "fV" else array != natural
    if overflown.any():
        wrong = natural[overflown].ravel()[0]
        raise ResultError(f"{place} holds {wrong}, which {dtype.written} cannot; declare a wider dtype")
    return array


def _text_array(place: str, value: Any, dtype: DType) -> Array:
    if isinstance(value, _TEXT):
        single = np.empty((), object)
        single[()] = value if isinstance(value, str) else bytes(value)
        return single
    if isinstance(value, (list, tuple)):
        # Never through numpy's own string types: they drop NULs at the end.
        return _object_array(place, value)
    array = _array_of(place, value)
    if array.dtype.kind in "SUT":
        return array.astype(object)
    if array.dtype != object:
        raise ResultError(f"{place} is an array of {array.dtype}, declared is {dtype.written}; return bytes or str")
    return array


def _object_array(place: str, value: Any) -> Array:
    try:
        return np.array(value, dtype=object)
    except ValueError as error:
        raise ResultError(f"{place}: the lists do not make an array ({error})") from None


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
