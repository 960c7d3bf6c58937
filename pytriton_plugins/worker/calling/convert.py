"""From a value that a callable returned to an array of the declared dtype; runs in the worker. Strings: strings.py."""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytriton_plugins.errors import ResultError
from pytriton_plugins.model.tensors import DType
from pytriton_plugins.text.exceptions import is_a, name_of, text_of
from pytriton_plugins.worker.calling.strings import as_strings

Array = NDArray[Any]

_PLAIN = (list, tuple, bool, int, float, complex, str, bytes, np.generic)
_STRINGS = (list, tuple, bytes, str, bytearray, memoryview)
_KINDS = {"b": "b", "i": "biu", "u": "biu", "f": "biuf", "V": "biuf"}
"""Kinds of Python values that an output of each kind takes, V being bfloat16: no fraction and no sign is lost."""


def as_array(place: str, value: Any, dtype: DType) -> Array:
    """``value`` as an array of ``dtype``: Python values are converted, arrays must have the dtype already.

    Strings become an object array of ``bytes``. Nothing is lost in silence, as numpy's own conversions would have it.
    Raises ResultError, which begins with ``place`` and ends with what to return instead.
    """
    _refuse_masks(place, value)
    if dtype.python:
        return as_strings(place, value if isinstance(value, _STRINGS) else array_of(place, value), dtype)
    if isinstance(value, _PLAIN):
        return _converted(place, value, dtype)
    array = array_of(place, value)
    if array.dtype == dtype.numpy:
        return array
    _refuse_others(place, array, dtype)
    _refuse_too_large(place, array, dtype)
    raise ResultError(f"{place} is an array of {array.dtype}, declared is {dtype.written}; {_remedy(array, dtype)}")


def array_of(place: str, value: Any) -> Array:
    """``value`` as numpy takes it; raises ResultError for what cannot be an array."""
    kind = type(value).__name__
    try:
        array = np.asarray(value)
    except MemoryError:
        raise
    except Exception as error:
        device = str(getattr(value, "device", "cpu"))
        if hasattr(value, "cpu") and not device.startswith("cpu"):
            raise ResultError(f"{place} lies on {device}; write .cpu()") from None
        if is_a(error, ValueError) and "inhomogeneous" in text_of(error):
            raise ResultError(f"{place}: the lists differ in length or depth; make all rows equally long") from None
        raise ResultError(f"{place}: a {kind} cannot become an array ({name_of(error)}: {text_of(error)})") from error
    if array.dtype == object and not isinstance(value, (list, tuple)) and not hasattr(value, "__array__"):
        raise ResultError(f"{place} is a {kind}; return an array, a list or a number")
    return array


def _refuse_masks(place: str, value: Any) -> None:
    """Numpy takes what is below a mask for data, in lists too."""
    masked = getattr(sys.modules.get("numpy.ma"), "MaskedArray", None)  # numpy imports it on its first use
    if isinstance(value, (list, tuple)):
        looked_into = (list, tuple, masked) if masked else (list, tuple)
        # By their types, which are few: a list may have a million numbers.
        if any(issubclass(kind, looked_into) for kind in {*map(type, value)}):
            for item in value:
                _refuse_masks(place, item)
    elif masked and isinstance(value, masked):
        raise ResultError(f"{place} is a masked array, whose mask a client does not get; return .filled(…)")


def _converted(place: str, value: Any, dtype: DType) -> Array:
    natural = _natural(place, value, dtype)
    if natural.size == 0:
        return np.empty(natural.shape, dtype.numpy)
    _refuse_others(place, natural, dtype)
    kind = natural.dtype.kind.replace("O", "i")  # of numbers, only whole ones of more than 64 bits stay objects
    if kind not in _KINDS[dtype.numpy.kind]:
        remedy = _remedy(natural, dtype, of_values=True)
        raise ResultError(f"{place} holds values of {natural.dtype}, declared is {dtype.written}; {remedy}")
    _refuse_too_large(place, natural, dtype)
    with np.errstate(all="ignore"):
        return natural.astype(dtype.numpy)


def _natural(place: str, value: Any, dtype: DType) -> Array:
    """The array that numpy makes of ``value``, but whole numbers stay whole where numpy makes floats of them."""
    natural = array_of(place, value)
    if dtype.numpy.kind in "iu" and natural.dtype.kind == "f" and isinstance(value, (list, tuple)):
        exact = np.array(value, object)
        if exact.size and all(isinstance(item, (int, np.integer)) for item in exact.ravel()):
            return exact
    return natural


def _refuse_too_large(place: str, natural: Array, dtype: DType) -> None:
    """Raises ResultError for a number beyond ``dtype``; floats may lose digits, which their author expects."""
    lost = _lost(natural, dtype)
    if lost:
        endless = isinstance(lost[0], float) and not math.isfinite(lost[0])
        remedy = f"replace it, or declare {_float(natural)}" if endless else "declare a wider dtype"
        raise ResultError(f"{place} holds {lost[0]}, which {dtype.written} cannot; {remedy}")


def _lost(natural: Array, dtype: DType) -> list[Any]:
    """The first number that is beyond ``dtype``, if there is one."""
    wanted = dtype.numpy.kind
    with np.errstate(all="ignore"):
        if wanted == "b" or natural.dtype.kind not in "biufO":
            return []
        if wanted in "fV":
            try:
                beyond = np.isinf(natural.astype(dtype.numpy)) & ~np.isinf(natural.astype(np.float64))
            except OverflowError:  # beyond all floats
                return [max(natural.ravel().tolist(), key=abs)]
        elif natural.dtype.kind in "biu":
            beyond = natural.astype(dtype.numpy) != natural
        else:
            limits = np.iinfo(dtype.numpy)
            return [item for item in natural.ravel().tolist() if not limits.min <= item <= limits.max][:1]
    return natural[beyond].ravel()[:1].tolist()  # type: ignore[no-any-return]


def _refuse_others(place: str, array: Array, dtype: DType) -> None:
    """Raises ResultError for values that are not numbers, even where numpy's ``astype`` would make numbers of them."""
    kind = array.dtype.kind
    if kind in "SUT":
        found = "bytes" if kind == "S" else "text"
    elif kind in "mM":
        found = f"values of {array.dtype}"
    elif kind == "V" and issubclass(array.dtype.type, np.void):
        found = f"structures of {', '.join(array.dtype.names)}" if array.dtype.names else f"values of {array.dtype}"
    elif kind == "O":
        odd = [item for item in array.ravel().tolist() if not isinstance(item, (bool, int, float, np.number, np.bool_))]
        if not odd:
            return
        found = "None" if odd[0] is None else f"a {type(odd[0]).__name__}"
    else:
        return
    raise ResultError(f"{place} holds {found}, declared is {dtype.written}; return numbers")


def _remedy(array: Array, dtype: DType, *, of_values: bool = False) -> str:
    """What to write for numbers of another kind."""
    kind, wanted = array.dtype.kind, dtype.numpy.kind
    if kind == "c":
        return "return .real, or its parts as two outputs"
    if kind == "f" and wanted == "b":
        return "return a comparison such as x > 0.5"
    if kind == "f" and wanted in "iu":
        round_ = "round(x)" if of_values else f"np.rint(x).astype({dtype.written})"
        return f"write {round_}, or declare {_float(array)}"
    return f"write {dtype.written}(x)" if of_values else f"write .astype({dtype.written})"


def _float(array: Array) -> str:
    return f"np.{array.dtype.name}" if array.dtype in (np.float16, np.float32) else "np.float64"
