"""Models of many shapes; each returns the shapes of its inputs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from pytriton_plugins import Tensor, infer_func

_SHAPES = [Tensor("shapes", str, ())]


def told(*arrays: Any) -> dict[str, list[str]]:
    """For each row, the shapes of its arrays."""
    text = " ".join("x".join(map(str, array.shape[1:])) or "()" for array in arrays)
    return {"shapes": [text] * len(arrays[0])}


@infer_func(inputs=[Tensor("x", np.float32, ())], outputs=_SHAPES)
def scalar(x: Any) -> Any:
    return told(x)


@infer_func(inputs=[Tensor("x", np.int32, (2, 2))], outputs=_SHAPES)
def grid(x: Any) -> Any:
    return told(x)


@infer_func(inputs=[Tensor("x", np.float64, (-1, 3))], outputs=_SHAPES)
def free(x: Any) -> Any:
    return told(x)


@infer_func(
    inputs=[Tensor("a", bool, (2,)), Tensor("s", str, (-1,)), Tensor("o", np.int8, (), optional=True)], outputs=_SHAPES
)
def mixed(a: Any, s: Any, o: Any = None) -> Any:
    return told(a, s)


@infer_func(inputs=[Tensor("x", bytes, (2, 2))], outputs=_SHAPES)
def words(x: Any) -> Any:
    return told(x)


@infer_func(inputs=[Tensor("id", np.int32, (), arg="id_"), Tensor("a b", np.int32, (2,), arg="ab")], outputs=_SHAPES)
def named(id_: Any, ab: Any) -> Any:
    return told(id_, ab)


@infer_func(inputs=[Tensor("x", np.float16, (2,))], outputs=_SHAPES)
def half(x: Any) -> Any:
    return told(x)


@infer_func(inputs=[Tensor("x", "bfloat16", (-1,))], outputs=_SHAPES)
def brain(x: Any) -> Any:
    return told(x)


@infer_func(inputs=[Tensor("x", "bfloat16", (64,))], outputs=_SHAPES)
def large_brain(x: Any) -> Any:
    return told(x)


@infer_func(inputs=[Tensor("image", np.float32, (3, 224, 224))], outputs=_SHAPES)
def image(image: Any) -> Any:
    return told(image)


@infer_func(inputs=[Tensor("video", np.uint8, (8, 108, 192, 3)), Tensor("scale", np.float32, ())], outputs=_SHAPES)
def video(video: Any, scale: Any) -> Any:
    return told(video, scale)


@infer_func(
    inputs=[Tensor("left", np.uint8, (-1, 64, 64)), Tensor("right", np.uint8, (-1, 64, 64))],
    outputs=[Tensor("shapes", str, (1,))],
    max_batch_size=0,
)
def pair(left: Any, right: Any) -> Any:
    return {"shapes": [f"{left.shape} {right.shape}"]}


@infer_func(inputs=[Tensor("x", np.uint8, (64, 64))], outputs=_SHAPES)
def streamed(x: Any) -> Iterator[Any]:
    yield told(x)


@infer_func(inputs=[Tensor("x", np.float32, (64, 3, 1080, 1920))], outputs=_SHAPES)
def huge(x: Any) -> Any:
    return told(x)


@infer_func(inputs=[Tensor("x", str, (1000,))], outputs=_SHAPES)
def many_words(x: Any) -> Any:
    return told(x)
