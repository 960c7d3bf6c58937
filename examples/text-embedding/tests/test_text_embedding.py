"""The model `text_embedding` with the real weights: called as a class, and through a real server."""

from __future__ import annotations

from importlib.metadata import distribution
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc
from numpy.typing import NDArray
from pytriton_plugins.testing import RunningHost

from pytriton_plugins_text_embedding import TextEmbedding

Array = NDArray[Any]
TEXTS = [
    "A cat sits on the mat.",
    "A kitten is lying on a carpet.",
    "The central bank raised its interest rates.",
    "Borrowing money has become more expensive.",
]


@pytest.fixture(scope="module")
def model() -> TextEmbedding:
    return TextEmbedding()


@pytest.fixture(scope="module")
def pytriton_host_targets() -> list[Any]:
    return [TextEmbedding]


def texts(*items: str) -> Array:
    return np.array(items, dtype=object)


def assert_pairs(vectors: Array) -> None:
    """Each of two pairs is nearer to each other than to the others."""
    assert (vectors.shape, vectors.dtype.str) == ((4, 384), "<f4")
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)
    near = vectors @ vectors.T - 2 * np.eye(4)
    assert near.argmax(axis=1).tolist() == [1, 0, 3, 2]
    assert near[0, 1] > near[0, 2] + 0.3


def test_texts_of_a_similar_meaning_are_near(model: TextEmbedding) -> None:
    assert_pairs(model(texts(*TEXTS)))


def test_a_row_does_not_depend_on_the_others(model: TextEmbedding) -> None:
    together, alone = model(texts(TEXTS[0], "word " * 900, "")), model(texts(TEXTS[0]))
    assert (together[0] @ alone[0]).item() == pytest.approx(1, abs=1e-3)
    assert np.isfinite(together).all()


def test_through_a_server(pytriton_host: RunningHost) -> None:
    tensor = tritonclient.grpc.InferInput("text", [4, 1], "BYTES")
    tensor.set_data_from_numpy(texts(*TEXTS).reshape(4, 1))
    with tritonclient.grpc.InferenceServerClient(pytriton_host.grpc) as client:
        assert_pairs(client.infer("text_embedding", [tensor]).as_numpy("embedding"))


def test_the_entry_point_leads_to_the_model() -> None:
    (point,) = distribution("pytriton-plugins-text-embedding").entry_points.select(group="pytriton_plugins.models")
    assert point.load().TextEmbedding is TextEmbedding
