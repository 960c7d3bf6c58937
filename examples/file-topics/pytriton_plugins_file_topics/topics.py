"""The topics: their names in `topics.txt`, and the vectors of these names in `topics.npy`.

`python -m pytriton_plugins_file_topics.topics FILE` writes the vectors anew after a change of the names.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

NAMES = "topics.txt"
"""In the folder of this module, one topic in each line."""

TOPICS = tuple(Path(__file__).with_name(NAMES).read_text(encoding="utf-8").split("\n")[:-1])


def saved_vectors() -> Array:
    """A vector of length 1 for each topic, ``(topics, 384)``."""
    vectors: Array = np.load(Path(__file__).with_name("topics.npy"))
    return vectors


def new_vectors() -> Array:
    """The same, computed by the model `text_embedding`."""
    from pytriton_plugins_text_embedding import TextEmbedding

    return TextEmbedding()(np.array(TOPICS, dtype=object))


if __name__ == "__main__":
    np.save(sys.argv[1], new_vectors())
