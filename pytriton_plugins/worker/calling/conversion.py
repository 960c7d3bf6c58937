"""From a value that a callable returned to an array of the declared dtype: numbers first, then strings."""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytriton_plugins.errors import ResultError
from pytriton_plugins.model.tensors import DType
from pytriton_plugins.text.exceptions import is_a, name_of, text_of

Array = NDArray[Any]

_PLAIN = (list, tuple, bool, int, float, complex, str, bytes, np.generic)
_SINGLE = (bytes, str, bytearray, memoryview)
_STRINGS = (list, tuple, *_SINGLE)
_KINDS = {"b": "b", "i": "biu", "u": "biu", "f": "biuf", "V": "biuf"}
"""The kinds of Python values that an output of each kind takes: no fraction and no sign is lost. V is bfloat16."""


def as_array(prefix: str, value: Any, dtype: DType) -> Array:
    """``value`` as an array of ``dtype``: Python values are converted, arrays must have the dtype already.

    Strings become an object array of ``bytes``. No value changes in silence, as in numpy's own conversions.
    Raises ResultError, which begins with ``prefix`` and ends with what to return instead.
    """
    _refuse_masks(prefix, value)
    if dtype.python:
        return _as_strings(prefix, value if isinstance(value, _STRINGS) else _array_of(prefix, value), dtype)
    if isinstance(value, _PLAIN):
        return _converted(prefix, value, dtype)
    array = _array_of(prefix, value)
    if array.dtype == dtype.numpy:
        return array
    _refuse_others(prefix, array, dtype)
    _refuse_too_large(prefix, array, dtype)
    raise ResultError(f"{prefix} is an array of {array.dtype}, expected {dtype.written}; {_remedy(array, dtype)}")


def _array_of(prefix: str, value: Any) -> Array:
    """``value`` as numpy converts it; raises ResultError if it cannot become an array."""
    kind = type(value).__name__
    try:
        array = np.asarray(value)
    except MemoryError:
        raise
    except Exception as error:
        device = str(getattr(value, "device", "cpu"))
        if hasattr(value, "cpu") and not device.startswith("cpu"):
            raise ResultError(f"{prefix} is on device {device}; write .cpu()") from None
        if is_a(error, ValueError) and "inhomogeneous" in text_of(error):
            raise ResultError(f"{prefix}: the lists differ in length or depth; make all rows equally long") from None
        raise ResultError(f"{prefix}: a {kind} cannot become an array ({name_of(error)}: {text_of(error)})") from error
    if array.dtype == object and not isinstance(value, (list, tuple)) and not hasattr(value, "__array__"):
        raise ResultError(f"{prefix} is a {kind}; return an array, a list or a number")
    return array


def _refuse_masks(prefix: str, value: Any) -> None:
    """Raises ResultError for masked arrays, in lists too: numpy would return the data below the mask."""
    masked = getattr(sys.modules.get("numpy.ma"), "MaskedArray", None)  # numpy imports it on its first use
    if isinstance(value, (list, tuple)):
        nested = (list, tuple, masked) if masked else (list, tuple)
        # Types first, because they are few: a list may have a million numbers.
        if any(issubclass(kind, nested) for kind in {*map(type, value)}):
            for item in value:
                _refuse_masks(prefix, item)
    elif masked and isinstance(value, masked):
        raise ResultError(f"{prefix} is a masked array: clients do not get the mask; return .filled(…)")


def _converted(prefix: str, value: Any, dtype: DType) -> Array:
    natural = _natural(prefix, value, dtype)
    if natural.size == 0:
        return np.empty(natural.shape, dtype.numpy)
    _refuse_others(prefix, natural, dtype)
    kind = natural.dtype.kind.replace("O", "i")  # of numbers, only whole ones of more than 64 bits stay objects
    if kind not in _KINDS[dtype.numpy.kind]:
        remedy = _remedy(natural, dtype, of_values=True)
        raise ResultError(f"{prefix} holds values of {natural.dtype}, expected {dtype.written}; {remedy}")
    _refuse_too_large(prefix, natural, dtype)
    with np.errstate(all="ignore"):
        return natural.astype(dtype.numpy)


def _natural(prefix: str, value: Any, dtype: DType) -> Array:
    """The array that numpy makes of ``value``, but whole numbers stay whole where numpy makes floats of them."""
    natural = _array_of(prefix, value)
    if dtype.numpy.kind in "iu" and natural.dtype.kind == "f" and isinstance(value, (list, tuple)):
        exact = np.array(value, object)
        if exact.size and all(isinstance(item, (int, np.integer)) for item in exact.ravel()):
            return exact
    return natural


def _refuse_too_large(prefix: str, natural: Array, dtype: DType) -> None:
    """Raises ResultError for a number outside the range of ``dtype``; floats may lose digits, as authors expect."""
    lost = _lost(natural, dtype)
    if lost:
        endless = isinstance(lost[0], float) and not math.isfinite(lost[0])
        remedy = f"replace it, or declare {_float(natural)}" if endless else "declare a wider dtype"
        raise ResultError(f"{prefix} holds {lost[0]}, out of range for {dtype.written}; {remedy}")


def _lost(natural: Array, dtype: DType) -> list[Any]:
    """The first number outside the range of ``dtype``, if there is one."""
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


def _refuse_others(prefix: str, array: Array, dtype: DType) -> None:
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
    raise ResultError(f"{prefix} holds {found}, expected {dtype.written}; return numbers")


def _remedy(array: Array, dtype: DType, *, of_values: bool = False) -> str:
    """How to convert numbers of another kind."""
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


def _as_strings(prefix: str, value: Any, dtype: DType) -> Array:
    """``value``, an array or list of ``bytes`` or ``str``, or one of them, as an object array of ``bytes``.

    Numpy's bytes of a fixed width are avoided: they drop zeros at the end. Raises ResultError.
    """
    return _encoded(prefix, _objects(prefix, value, dtype), dtype)


def _objects(prefix: str, value: Any, dtype: DType) -> Any:
    if isinstance(value, _SINGLE):
        single = np.empty((), object)
        single[()] = value if isinstance(value, str) else bytes(value)
        return single
    if isinstance(value, (list, tuple)):
        try:
            return np.array(_listed(prefix, value), dtype=object)
        except ValueError:
            raise ResultError(f"{prefix}: the lists differ in length or depth; make all rows equally long") from None
    _refuse_fixed_width(prefix, value)
    if value.dtype.kind in "UT":
        return value.astype(object)
    if value.dtype != object:
        raise ResultError(f"{prefix} is an array of {value.dtype}, expected {dtype.written}; return bytes or str")
    return value


def _listed(prefix: str, value: Any) -> Any:
    """``value`` without items that numpy would not take for strings."""
    types = {*map(type, value)}
    if types <= {bytes, str}:
        return value
    return [_item(prefix, item) for item in value]


def _item(prefix: str, item: Any) -> Any:
    if isinstance(item, (list, tuple)):
        return _listed(prefix, item)
    if isinstance(item, (bytearray, memoryview)):  # numpy would see numbers
        return bytes(item)
    if isinstance(item, np.ndarray):
        _refuse_fixed_width(prefix, item)
    return item


def _refuse_fixed_width(prefix: str, array: Array) -> None:
    """Raises ResultError for bytes. Text does not end in a zero, and authors write ``np.array(labels)[index]``."""
    if array.dtype.kind == "S":
        raise ResultError(
            f"{prefix} is an array of {array.dtype}, in which numpy drops zeros at the end of a string; "
            "return a list, or an array made with dtype=object"
        )


def _encoded(prefix: str, array: Array, dtype: DType) -> Array:
    items: list[Any] = array.ravel().tolist()
    types = [*map(type, items)]
    if dtype.python is bytes and types.count(bytes) == len(items):
        return array
    all_text = types.count(str) == len(items)
    texts = map(str.encode, items) if all_text else (_bytes(item, dtype) for item in items)
    try:
        encoded: Array = np.fromiter(texts, object, len(items))
    except (TypeError, UnicodeError):
        raise ResultError(_unencodable(prefix, items, dtype)) from None
    return encoded.reshape(array.shape)


def _bytes(item: Any, dtype: DType) -> bytes:
    if isinstance(item, str):
        return item.encode()
    if not isinstance(item, (bytes, bytearray)):
        raise TypeError(f"is a {type(item).__name__}; return bytes or str")
    if dtype.python is str:
        item.decode()
    return bytes(item)


def _unencodable(prefix: str, items: list[Any], dtype: DType) -> str:
    for index, item in enumerate(items):
        try:
            _bytes(item, dtype)
        except TypeError as error:
            return f"{prefix}: string {index} {error}"
        except UnicodeError as error:
            return f"{prefix}: string {index} is not UTF-8 ({error}); declare bytes for other encodings"
    raise AssertionError("every item can be encoded")
