# annotated.py
from typing import Annotated, TypedDict

import numpy as np
from pytriton_plugins import Tensor, infer_func

Image = Annotated[np.ndarray, Tensor(dtype=np.uint8, shape=(-1, -1, 3))]


class Colours(TypedDict):
    mean: Annotated[np.ndarray, Tensor(dtype=np.float32, shape=(3,))]
    darkest: Annotated[np.ndarray, Tensor(dtype=np.uint8, shape=(3,))]


@infer_func
def colours(image: Image) -> Colours:
    return {"mean": image.mean(axis=(1, 2), dtype=np.float32), "darkest": image.min(axis=(1, 2))}


@infer_func(max_batch_size=8)
def negative(image: Image) -> Annotated[np.ndarray, Tensor("negative", np.uint8, (-1, -1, 3))]:
    return 255 - image
