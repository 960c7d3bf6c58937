"""The model `file_topic`: calls `file_type`, `text_embedding` and `nearest_topic`."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from pytriton_plugins import Context, Tensor, infer_func

from pytriton_plugins_file_topics.topics import NAMES, TOPICS

Array = npt.NDArray[Any]

MAX_BYTES = 4096
"""Of a text; the embedding reads about 1000."""


@infer_func(
    inputs=[Tensor("content", bytes, ())],
    outputs=[
        Tensor("mime_type", str, ()),
        Tensor("topic", str, ()),
        Tensor("scores", np.float32, (len(TOPICS),), labels=NAMES),
    ],
    max_batch_size=32,
    calls=["file_type", "text_embedding", "nearest_topic"],
)
def file_topic(content: Array, ctx: Context) -> dict[str, Array]:
    """The type of each row's file; for text its topic and the similarity to all topics, else empty and zeros."""
    types = ctx.models["file_type"](content=content[:, np.newaxis], outputs=["mime_type"])
    mime_type = np.array([name.decode() for name in types["mime_type"][:, 0]], dtype=object)
    topic = np.full(len(content), "", dtype=object)
    scores = np.zeros((len(content), len(TOPICS)), np.float32)
    rows = [row for row, name in enumerate(mime_type) if name.startswith("text/")]
    if rows:
        texts = np.array([[item[:MAX_BYTES].decode(errors="replace")] for item in content[rows]], dtype=object)
        vectors = ctx.models["text_embedding"](text=texts)["embedding"]
        found = ctx.models["nearest_topic"](embedding=vectors)
        topic[rows] = [name.decode() for name in found["topic"][:, 0]]
        scores[rows] = found["scores"]
    return {"mime_type": mime_type, "topic": topic, "scores": scores}
