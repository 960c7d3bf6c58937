"""Models of images whose outputs have labels, as tritonclient's image clients expect them."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytriton_plugins import Tensor, infer_func

Array = NDArray[Any]
COLOURS = ["red", "green", "blue"]


@infer_func(
    inputs=[Tensor("image", np.float32, (8, 8, 3), format="NHWC")],
    outputs=[Tensor("scores", np.float32, (3,), labels="colours.txt")],
)
def colour(image: Array) -> Array:
    means: Array = image.mean(axis=(1, 2)) / 255
    return means


@infer_func(
    inputs=[Tensor("image", np.uint8, (3, 8, 8), format="NCHW")],
    outputs=[
        Tensor("a/b", np.float32, (1, 3), labels=COLOURS),
        Tensor("sums", np.int64, (-1,), labels=("R", "G", "B")),
    ],
    max_batch_size=0,
)
def one_colour(image: Array) -> tuple[Array, Array]:
    return image.mean(axis=(1, 2), dtype=np.float32).reshape(1, 3), image.sum(axis=(1, 2), dtype=np.int64)


@infer_func(inputs=[Tensor("file", bytes, ())], outputs=[Tensor("scores", np.float32, (3,), labels="colours.txt")])
def encoded_colour(file: Array) -> Array:
    """Of an image in the format PPM."""
    return np.stack([_pixels(content).mean(axis=(0, 1), dtype=np.float32) / 255 for content in file])


def _pixels(content: bytes) -> Array:
    header = re.match(rb"P6\s(\d+)\s(\d+)\s255\s", content)
    assert header
    width, height = map(int, header.groups())
    return np.frombuffer(content[-height * width * 3 :], np.uint8).reshape(height, width, 3)
