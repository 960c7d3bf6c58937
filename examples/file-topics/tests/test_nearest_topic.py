"""The model `nearest_topic` with the real vectors: called as a class, and through a real server."""

from __future__ import annotations

from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc
from numpy.typing import NDArray
from pytriton_plugins.testing import RunningHost, call_model

from pytriton_plugins_file_topics.nearest import NearestTopic
from pytriton_plugins_file_topics.pipeline import file_topic
from pytriton_plugins_file_topics.topics import TOPICS, new_vectors, saved_vectors
from pytriton_plugins_text_embedding import TextEmbedding

SAMPLES = {"loan": "money and banking", "recipe": "cooking and food", "telescope": "planets and stars"}


@pytest.fixture(scope="module")
def embeddings() -> NDArray[Any]:
    folder = Path(__file__).parent / "samples"
    return TextEmbedding()(np.array([(folder / name).read_text() for name in SAMPLES], dtype=object))


@pytest.fixture(scope="module")
def pytriton_host_targets() -> list[Any]:
    return [NearestTopic]


def test_the_saved_vectors_are_those_of_the_names() -> None:
    assert saved_vectors().shape == (len(TOPICS), 384)
    assert (saved_vectors() * new_vectors()).sum(axis=1) == pytest.approx(1, abs=0.01)


def test_a_text_is_near_its_topic(embeddings: NDArray[Any]) -> None:
    answer = call_model(NearestTopic, embedding=embeddings)
    assert answer["topic"].tolist() == list(SAMPLES.values())
    assert answer["scores"].max() < 1


def test_a_server_names_the_topics(embeddings: NDArray[Any], pytriton_host: RunningHost) -> None:
    """Triton's classification has the names of the labels."""
    tensor = tritonclient.grpc.InferInput("embedding", embeddings.shape, "FP32")
    tensor.set_data_from_numpy(embeddings)
    wanted = tritonclient.grpc.InferRequestedOutput("scores", class_count=1)
    with tritonclient.grpc.InferenceServerClient(pytriton_host.grpc) as client:
        answers = client.infer("nearest_topic", [tensor], outputs=[wanted]).as_numpy("scores")
    assert [answer.decode().split(":")[2] for answer in answers[:, 0]] == list(SAMPLES.values())


def test_the_entry_points_lead_to_the_models() -> None:
    points = distribution("pytriton-plugins-file-topics").entry_points.select(group="pytriton_plugins.models")
    assert points["nearest-topic"].load().NearestTopic is NearestTopic
    assert points["file-topics"].load().file_topic is file_topic
