"""Formats of image inputs, and the message for each mistake."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pytriton_plugins import Tensor, infer_func
from pytriton_plugins.errors import DeclarationError


@pytest.mark.parametrize(("format", "shape"), [("NHWC", (224, 224, 3)), ("NCHW", (3, -1, -1))])
def test_a_format(format: Any, shape: tuple[int, ...]) -> None:
    assert Tensor("image", np.uint8, shape, format=format).format == format
    assert Tensor(dtype=np.uint8, shape=shape, format=format).named("image").format == format
    assert Tensor("image", np.uint8, shape).format == ""


@pytest.mark.parametrize(
    ("format", "dtype", "shape", "message"),
    [
        ("nhwc", np.uint8, (8, 8, 3), 'invalid format \'nhwc\'; write "NHWC" (height, width, channels) or "NCHW" ('),
        ("", np.uint8, (8, 8, 3), "invalid format ''"),
        (3, np.uint8, (8, 8, 3), "invalid format 3"),
        ("NHWC", bytes, (), "format= is for images of numbers, and this tensor has bytes; remove it"),
        (
            "NHWC",
            np.uint8,
            (-1, 8, 8, 3),
            "format='NHWC' is for 3 dimensions (height, width, channels), and shape (-1, 8, 8, 3) has 4; "
            "write for example shape=(224, 224, 3), without the batch axis",
        ),
        ("NCHW", np.uint8, (8, 8), "write for example shape=(3, 224, 224)"),
    ],
)
def test_a_wrong_format(format: Any, dtype: Any, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(DeclarationError) as refused:
        Tensor("image", dtype, shape, format=format)
    assert str(refused.value).startswith("Tensor 'image': ")
    assert message in str(refused.value)


def test_a_format_of_an_output() -> None:
    image = Tensor("image", np.uint8, (8, 8, 3), format="NHWC")
    with pytest.raises(DeclarationError, match=r"output 'image' has a format, which is for inputs; remove format=$"):
        infer_func(inputs=[image], outputs=[image])(lambda image: image)
