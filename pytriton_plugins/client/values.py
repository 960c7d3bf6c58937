"""From what a caller passes for an input to an array of the declared dtype.

No fraction, sign or range is lost in silence; numbers for a dtype of floats are rounded to its precision.
"""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytriton_plugins.model.tensors import DType
from pytriton_plugins.text import one_line

Array = NDArray[Any]

SINGLE = (bool, int, float, complex, str, bytes, bytearray, memoryview, np.generic)
"""The types of one value, which has no shape of its own."""

_KINDS = {"b": "b", "i": "biu", "u": "biu", "f": "biuf", "V": "biuf"}
"""The kinds of Python values that an input of each kind takes: no fraction and no sign is lost. V is bfloat16."""

_RAGGED = "the lists differ in length or depth; make all rows equally long"


def as_array(value: Any, dtype: DType) -> Array:
    """``value`` as an array of ``dtype``, in its own shape; an object array of ``bytes`` for BYTES.

    Arrays must have the dtype already; lists and single values are converted. Raises ValueError, one line.
    """
    masked = getattr(sys.modules.get("numpy.ma"), "MaskedArray", ())  # numpy imports it on its first use
    if isinstance(value, masked):
        raise ValueError("a masked array, whose mask cannot be sent; write .filled(…)")
    if dtype.python:
        return _strings(value)
    array = _natural(value, dtype)
    if isinstance(value, (list, tuple, *SINGLE)):
        return _converted(array, dtype)
    if array.dtype.newbyteorder("=") != dtype.numpy:
        raise ValueError(f"an array of {array.dtype}, expected {_expected(dtype)}; {_remedy(array, dtype)}")
    return array.astype(dtype.numpy, copy=False)


def _natural(value: Any, dtype: DType) -> Array:
    """The array that numpy makes of ``value``, but whole numbers stay whole where numpy makes floats of them."""
    array = _array_of(value)
    if dtype.numpy.kind in "iu" and array.dtype.kind == "f" and isinstance(value, (list, tuple)):
        exact = np.array(value, object)
        if exact.size and all(isinstance(item, (int, np.integer)) for item in exact.ravel()):
            return exact
    return array


def _array_of(value: Any) -> Array:
    try:
        array = np.asarray(value)
    except (TypeError, ValueError, RuntimeError) as error:
        if "inhomogeneous" in str(error):
            raise ValueError(_RAGGED) from None
        hint = "; write .cpu()" if hasattr(value, "cpu") else ""
        raise ValueError(f"a {type(value).__name__} cannot become an array ({one_line(error, 100)}){hint}") from None
    if array.dtype == object and not isinstance(value, (list, tuple, *SINGLE)) and not hasattr(value, "__array__"):
        raise ValueError(f"a {type(value).__name__}; pass an array, a list or a single value")
    return array


def _converted(array: Array, dtype: DType) -> Array:
    if array.size == 0:
        return np.empty(array.shape, dtype.numpy)
    kind = _number_kind(array, dtype)
    if kind not in _KINDS[dtype.numpy.kind]:
        raise ValueError(f"values of {array.dtype}, expected {_expected(dtype)}; {_remedy(array, dtype)}")
    _refuse_too_large(array, dtype)
    with np.errstate(all="ignore"):
        return array.astype(dtype.numpy)


def _number_kind(array: Array, dtype: DType) -> str:
    """The kind of the numbers in ``array``; raises ValueError for anything else."""
    if array.dtype.kind == "O":
        odd = [item for item in array.ravel().tolist() if not isinstance(item, (int, np.integer))]
        if not odd:
            return "i"
        found = "None" if odd[0] is None else f"a {type(odd[0]).__name__}"
    elif array.dtype.kind in "biufc" or array.dtype == dtype.numpy:
        return array.dtype.kind
    else:
        found = {"U": "text", "T": "text", "S": "bytes"}.get(array.dtype.kind, f"values of {array.dtype}")
    raise ValueError(f"{found}, expected {_expected(dtype)}; pass numbers")


def _refuse_too_large(array: Array, dtype: DType) -> None:
    lost = _lost(array, dtype)
    if lost:
        raise ValueError(f"{one_line(lost[0], 40)} is out of range for {_expected(dtype)}")


def _lost(array: Array, dtype: DType) -> list[Any]:
    """The first number outside the range of ``dtype``, if there is one; floats may lose digits."""
    if dtype.numpy.kind == "b" or array.dtype == dtype.numpy:
        return []
    if dtype.numpy.kind in "iu":
        limits = np.iinfo(dtype.numpy)
        return [item for item in array.ravel().tolist() if not limits.min <= item <= limits.max][:1]
    try:
        with np.errstate(all="ignore"):
            endless = np.isinf(array.astype(dtype.numpy)) & ~np.isinf(array.astype(np.float64))
    except OverflowError:  # beyond all floats
        return [max(array.ravel().tolist(), key=abs)]
    return [item for item in array[endless].ravel().tolist() if math.isfinite(item)][:1]


def _expected(dtype: DType) -> str:
    return "np.uint16, the bits of bfloat16 numbers" if dtype.is_raw else dtype.written


def _remedy(array: Array, dtype: DType) -> str:
    if dtype.is_raw:
        return "write pip install ml_dtypes for numbers"
    if array.dtype.kind == "f" and dtype.numpy.kind in "iu":
        return f"write np.rint(x).astype({dtype.written})"
    if array.dtype.kind not in "biuf":
        return "pass numbers"
    return "write a comparison such as x > 0" if dtype.numpy.kind == "b" else f"write .astype({dtype.written})"


def _strings(value: Any) -> Array:
    """``value``, bytes, text, or an array or list of them, as an object array of ``bytes``."""
    if isinstance(value, (str, bytes, bytearray, memoryview)):
        return _encoded([value]).reshape(())
    array = _objects(value)
    return _encoded(array.ravel().tolist()).reshape(array.shape)


def _objects(value: Any) -> Array:
    if isinstance(value, (list, tuple)):
        try:
            # Never as numpy's bytes of a fixed width: they drop zeros at the end.
            array = np.array(value, dtype=object)
        except ValueError:
            raise ValueError(_RAGGED) from None
        if any(isinstance(item, (list, tuple)) for item in array.ravel().tolist()):
            raise ValueError(_RAGGED)
        return array
    array = _array_of(value)
    if array.dtype.kind == "S":
        raise ValueError(
            f"an array of {array.dtype}, in which numpy drops zeros at the end of an item; "
            "pass a list, or an array made with dtype=object"
        )
    if array.dtype.kind not in "UTO":
        raise ValueError(f"an array of {array.dtype}, expected bytes or str")
    return array


def _encoded(items: list[Any]) -> Array:
    encoded = np.empty(len(items), object)
    for index, item in enumerate(items):
        if isinstance(item, str):
            encoded[index] = item.encode()
        elif isinstance(item, (bytes, bytearray, memoryview)):
            encoded[index] = bytes(item)
        else:
            raise ValueError(f"item {index} is {one_line(repr(item), 60)}, expected bytes or str")
    return encoded
