"""The names of the classes that an output's numbers stand for: a list, or a file of the author's package."""

from __future__ import annotations

import math
import os
import stat
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pytriton_plugins.errors import DeclarationError
from pytriton_plugins.text import one_line

CLASSIFIED = ("UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP32", "FP64")
"""Data types that Triton's classification extension sorts."""

MAX_LABELS = 65536

MAX_LABEL = 256
"""Bytes of a label in UTF-8."""

MAX_TEXT = 1 << 20
"""Bytes of all labels of an output: a declaration is one message from the worker to the daemon."""

_PACKAGE = __name__.partition(".")[0]

_files: dict[str, None] = {}


def label_files() -> list[str]:
    """The files that this process has read labels from."""
    return list(_files)


def checked_labels(where: str, value: Any, *, triton_type: str, shape: Sequence[int]) -> tuple[str, ...]:
    """The labels in ``value``: a sequence of them, or the path of a file with one in each line, which is read at once.

    A relative path is relative to the file of the module that declares the tensor. Raises DeclarationError, which
    begins with ``where``, for labels that clients could not read or that do not fit the tensor.
    """
    if triton_type not in CLASSIFIED:
        raise DeclarationError(
            f"{where}: labels= is for numbers that Triton can sort, and it cannot sort {triton_type}; "
            "write dtype=np.float32, or remove labels="
        )
    labels = _of_file(where, Path(value)) if isinstance(value, (str, os.PathLike)) else _of_list(where, value)
    wanted = _wrong_count(len(labels), shape)
    if wanted:
        raise DeclarationError(
            f"{where}: {len(labels)} labels, and shape {tuple(shape)} has {wanted}; write a label for each"
        )
    return labels


def _wrong_count(count: int, shape: Sequence[int]) -> str:
    """The elements of a row if they cannot have so many labels; empty if they can."""
    fixed = math.prod(dim for dim in shape if dim > 0)
    if -1 not in shape:
        return "" if count == fixed else f"{fixed} element{'' if fixed == 1 else 's'} in each row"
    return "" if count % fixed == 0 else f"a multiple of {fixed} elements in each row"


def _of_list(where: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)) or not all(isinstance(label, str) for label in value):
        raise DeclarationError(
            f'{where}: labels={one_line(repr(value), 60)} is not a list of str; write labels=["cat", "dog"], or the '
            "name of a file"
        )
    return _checked(f"{where}: labels=", "label", tuple(value))


def _of_file(where: str, path: Path) -> tuple[str, ...]:
    path = _declaring_folder() / path
    place = f"{where}: labels file {one_line(path, 200)}"
    text = _content(place, path)
    if len(text) > MAX_TEXT:
        raise DeclarationError(f"{place} has more than {MAX_TEXT} bytes; write one label in each line")
    try:
        lines = text.decode("utf-8-sig").rstrip("\r\n").split("\n")
    except UnicodeDecodeError as error:
        raise DeclarationError(f"{place} is not UTF-8 (byte {error.start}); convert it") from None
    labels = _checked(place, "line", tuple(line.removesuffix("\r") for line in lines) if lines != [""] else ())
    _files[str(path)] = None
    return labels


def _content(place: str, path: Path) -> bytes:
    """At most a byte more than labels can have."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise DeclarationError(f"{place} is not a file; write the path of a text file")
        with path.open("rb") as file:
            return file.read(MAX_TEXT + 1)
    except FileNotFoundError:
        raise DeclarationError(
            f"{place} does not exist; write a path relative to the module that declares the tensor, and check that "
            "the package includes the file"
        ) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise DeclarationError(f"{place} cannot be read: {reason}; write the path of a text file") from None


def _declaring_folder() -> Path:
    """The folder of the first caller outside this package; the current folder for code without a file."""
    frame = sys._getframe(1)
    while frame.f_back and str(frame.f_globals.get("__name__")).partition(".")[0] == _PACKAGE:
        frame = frame.f_back
    file = frame.f_globals.get("__file__")
    return Path(file).absolute().parent if isinstance(file, str) else Path.cwd()


def _checked(place: str, noun: str, labels: tuple[str, ...]) -> tuple[str, ...]:
    if not labels:
        raise DeclarationError(f"{place} has no label; write one for each class")
    if len(labels) > MAX_LABELS:
        raise DeclarationError(f"{place} has {len(labels)} labels; write at most {MAX_LABELS}")
    for number, label in enumerate(labels, 1):
        problem = _problem(label)
        if problem:
            raise DeclarationError(f"{place}: {noun} {number} {problem}")
    if sum(len(label.encode()) for label in labels) > MAX_TEXT:
        raise DeclarationError(f"{place} has more than {MAX_TEXT} bytes; write shorter labels")
    return labels


def _problem(label: str) -> str:
    """Why Triton or a client could not read ``label``, and what to do; empty if they can."""
    shown = one_line(repr(label), 60)
    if not label.strip():
        return "is empty; write the name of its class"
    if any(char < " " or char == "\x7f" or "\ud800" <= char <= "\udfff" for char in label):
        return f"{shown} has line breaks or other control characters; remove them"
    if len(label.encode()) > MAX_LABEL:
        return f"{shown} has more than {MAX_LABEL} bytes; shorten it"
    return ""
