"""The model `file_type`: Magika, loaded once in each worker."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from pytriton_plugins import Tensor, infer_func

Array = npt.NDArray[Any]


@infer_func(
    name="file_type",
    inputs=[Tensor("content", bytes, ())],
    outputs=[Tensor("label", str, ()), Tensor("mime_type", str, ()), Tensor("score", np.float32, ())],
)
class FileType:
    """Tells the type of each row's content."""

    def __init__(self) -> None:
        # Imported here: it loads the ONNX runtime, which only a worker that serves needs.
        from magika import Magika

        self._magika = Magika()

    def __call__(self, content: Array) -> dict[str, Array]:
        """Label, MIME type and score of each element of ``content``, an object array of bytes."""
        results = [self._magika.identify_bytes(item) for item in content]
        return {
            "label": np.array([str(result.output.label) for result in results], dtype=object),
            "mime_type": np.array([result.output.mime_type for result in results], dtype=object),
            "score": np.array([result.score for result in results], dtype=np.float32),
        }
