"""The array of an input's dtype, from a VALUE of the command line."""

from __future__ import annotations

import io
import json
import math
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

from pytriton_plugins.errors import ConfigError
from pytriton_plugins.model.tensors import DType
from pytriton_plugins.text import one_line

Array = np.ndarray[Any, Any]

_MAX_BF16 = float.fromhex("0x1.fep127")  # numpy does not have the type


def parse_value(text: str, dtype: DType) -> Array:
    """The array that ``text`` stands for, in its own shape; each value is checked against ``dtype``.

    ValueError, one line, if the text cannot be read or a value does not fit.
    """
    if text.startswith("@"):
        return _from_bytes(_read(text[1:]), dtype)
    if text.lstrip()[:1] in ("[", '"'):
        return _from_json(_json(text), dtype)
    if dtype.python:
        return _filled([text.encode()], dtype, (1,))
    values = [_number(part.strip()) for part in text.split(",")]
    return _filled([_checked(value, dtype) for value in values], dtype, (len(values),))


def _read(name: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if name == "-" else Path(os.path.expanduser(name)).read_bytes()
    except OSError as error:
        raise ValueError(
            f"file {one_line(repr(name))} cannot be read: {error.strerror}; write the path after the @"
        ) from None


def _from_bytes(content: bytes, dtype: DType) -> Array:
    if dtype.python:
        return _filled([content], dtype, (1,))
    try:
        # allow_pickle=False: a file to send must not be able to run code.
        array = np.load(io.BytesIO(content), allow_pickle=False)
    except (ValueError, EOFError, OSError):
        raise ValueError("the file is not an array in .npy format; write it with numpy.save") from None
    if not isinstance(array, np.ndarray):
        raise ValueError("the file is a .npz archive of several arrays; write one of them with numpy.save")
    if array.dtype.newbyteorder("=") != dtype.numpy:
        raise ValueError(f"the file holds {array.dtype}, not {dtype.numpy}; save array.astype({dtype.written})")
    return np.ascontiguousarray(array, dtype.numpy)


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"invalid JSON {one_line(repr(text), 60)}: {one_line(error)}; quote it for the shell"
        ) from None


def _from_json(value: Any, dtype: DType) -> Array:
    shape = _shape_of(value)
    leaves = _leaves(value)
    return _filled([_checked(leaf, dtype) for leaf in leaves], dtype, shape or (1,))


def _shape_of(value: Any) -> tuple[int, ...]:
    if not isinstance(value, list):
        return ()
    shapes = {_shape_of(item) for item in value}
    if len(shapes) > 1:
        raise ValueError("its lists differ in length or depth; each row needs as many values as the others")
    return (len(value), *(shapes.pop() if shapes else ()))


def _leaves(value: Any) -> list[Any]:
    return [leaf for item in value for leaf in _leaves(item)] if isinstance(value, list) else [value]


def _filled(values: list[Any], dtype: DType, shape: tuple[int, ...]) -> Array:
    array = np.empty(len(values), dtype.numpy)
    for index, value in enumerate(values):
        array[index] = value
    return array.reshape(shape)


def _number(text: str) -> Any:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (lambda part: int(part, 0), int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    raise ValueError(f"invalid number {one_line(repr(text), 60)}: expected numbers such as 1,2,3, or @file for a file")


def _checked(value: Any, dtype: DType) -> Any:
    """``value`` in the type that is stored; ValueError if the array would hold another value."""
    if dtype.python:
        if not isinstance(value, str):
            raise ValueError(f"invalid value {one_line(repr(value), 60)}: expected text in double quotes")
        return value.encode()
    if dtype.triton == "BOOL":
        if not isinstance(value, bool) and value not in (0, 1):
            raise ValueError(f"invalid value {one_line(repr(value), 60)}: expected true or false")
        return bool(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"invalid value {one_line(repr(value), 60)}: expected a number")
    return _whole(value, dtype) if dtype.numpy.kind in "iu" else _real(value, dtype)


def _whole(value: float, dtype: DType) -> int:
    limits = np.iinfo(dtype.numpy)
    if isinstance(value, float):
        raise ValueError(f"invalid value {value}: {dtype.triton} needs a whole number")
    if not limits.min <= value <= limits.max:
        raise ValueError(
            f"invalid value {one_line(value, 40)}: expected {limits.min} to {limits.max} for {dtype.triton}"
        )
    return value


def _real(value: float, dtype: DType) -> float:
    largest = _MAX_BF16 if dtype.triton == "BF16" else float(np.finfo(dtype.numpy).max)
    if not (isinstance(value, float) and not math.isfinite(value)) and abs(value) > largest:
        raise ValueError(
            f"invalid value {one_line(value, 40)}: expected {-largest:g} to {largest:g} for {dtype.triton}"
        )
    return float(value)


def mistake(name: str, error: ValueError) -> ConfigError:
    """The one-line error for input ``name``."""
    return ConfigError(f"input {one_line(name)}: {error}")
