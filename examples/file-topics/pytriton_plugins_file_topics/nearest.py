"""The model `nearest_topic`: the similarity of a text's vector to each topic."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from pytriton_plugins import Tensor, infer_func

from pytriton_plugins_file_topics.topics import NAMES, TOPICS, saved_vectors

Array = npt.NDArray[Any]


@infer_func(
    name="nearest_topic",
    inputs=[Tensor("embedding", np.float32, (384,))],
    outputs=[Tensor("scores", np.float32, (len(TOPICS),), labels=NAMES), Tensor("topic", str, ())],
)
class NearestTopic:
    """Compares vectors of `text_embedding` with those of the topics."""

    def __init__(self) -> None:
        self._vectors = saved_vectors()

    def __call__(self, embedding: Array) -> dict[str, Array]:
        """The cosines, -1 to 1, and the topic of the highest one."""
        scores = embedding @ self._vectors.T
        return {"scores": scores, "topic": np.array(TOPICS, dtype=object)[scores.argmax(axis=1)]}
