"""The layout of an image that a tensor holds, as clients of images read it from the model configuration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pytriton_plugins.errors import DeclarationError
from pytriton_plugins.text import one_line

FORMATS = {"NHWC": "height, width, channels", "NCHW": "channels, height, width"}
"""Triton's names of the layouts; N is the batch axis, which a shape leaves out."""


def checked_format(where: str, value: Any, *, is_text: bool, shape: Sequence[int]) -> str:
    """``value``, a layout that this shape can have; raises DeclarationError, which begins with ``where``."""
    if not isinstance(value, str) or value not in FORMATS:
        choices = " or ".join(f'"{name}" ({axes})' for name, axes in FORMATS.items())
        raise DeclarationError(f"{where}: invalid format {one_line(repr(value), 40)}; write {choices}")
    if is_text:
        raise DeclarationError(f"{where}: format= is for images of numbers, and this tensor has bytes; remove it")
    if len(shape) != len(FORMATS[value].split(", ")):
        raise DeclarationError(
            f"{where}: format={value!r} is for 3 dimensions ({FORMATS[value]}), and shape {tuple(shape)} has "
            f"{len(shape)}; write for example shape={_EXAMPLES[value]}, without the batch axis"
        )
    return value


_EXAMPLES = {"NHWC": (224, 224, 3), "NCHW": (3, 224, 224)}
