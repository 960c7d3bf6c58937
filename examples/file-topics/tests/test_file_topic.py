"""The pipeline `file_topic` over the real models of three plugins: without a server, and through a real one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc
from numpy.typing import NDArray
from pytriton_plugins.testing import RunningHost, call_model

from pytriton_plugins_file_topics.nearest import NearestTopic
from pytriton_plugins_file_topics.pipeline import file_topic
from pytriton_plugins_file_type import FileType
from pytriton_plugins_text_embedding import TextEmbedding

MODELS = {"file_type": FileType, "text_embedding": TextEmbedding, "nearest_topic": NearestTopic}
PNG = Path(__file__).parents[2] / "file-type/tests/samples/png"
ROWS = [
    ("loan", "text/plain", "money and banking"),
    ("png", "image/png", ""),
    ("recipe", "text/plain", "cooking and food"),
    ("telescope", "text/plain", "planets and stars"),
]


@pytest.fixture(scope="module")
def pytriton_host_targets() -> list[Any]:
    return [*MODELS.values(), file_topic]


def contents() -> NDArray[Any]:
    folder = Path(__file__).parent / "samples"
    files = [PNG if name == "png" else folder / name for name, _, _ in ROWS]
    return np.array([file.read_bytes() for file in files], dtype=object)


def test_without_a_server() -> None:
    answer = call_model(file_topic, content=contents(), models=MODELS)
    assert [*zip(answer["mime_type"], answer["topic"], strict=True)] == [row[1:] for row in ROWS]
    assert answer["scores"][1].tolist() == [0] * 10
    assert call_model(file_topic, content=contents()[1:2], models=MODELS)["topic"].tolist() == [""]


def test_through_a_server(pytriton_host: RunningHost) -> None:
    """Also with the names of the topics by Triton's classification."""
    tensor = tritonclient.grpc.InferInput("content", [len(ROWS), 1], "BYTES")
    tensor.set_data_from_numpy(contents().reshape(-1, 1))
    scores = tritonclient.grpc.InferRequestedOutput("scores", class_count=1)
    wanted = [*map(tritonclient.grpc.InferRequestedOutput, ("mime_type", "topic")), scores]
    with tritonclient.grpc.InferenceServerClient(pytriton_host.grpc) as client:
        answer = client.infer("file_topic", [tensor], outputs=wanted)
    texts = [np.char.decode(answer.as_numpy(name)[:, 0].astype(bytes)) for name in ("mime_type", "topic")]
    assert [*zip(*texts, strict=True)] == [row[1:] for row in ROWS]
    names = [each.decode().split(":")[2] for each in answer.as_numpy("scores")[:, 0]]
    assert [names[row] for row in (0, 2, 3)] == [ROWS[row][2] for row in (0, 2, 3)]
