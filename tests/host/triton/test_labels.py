"""Formats and labels in Triton: the model configuration, and the names in answers of the classification extension."""

from __future__ import annotations

import os
import queue
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc
import tritonclient.http
from numpy.typing import NDArray

from pytriton_plugins import Host, Tensor
from pytriton_plugins.errors import AttachError
from pytriton_plugins.testing import RunningHost, run_host, wait_until
from tests.support.paths import MODELS
from tests.support.sandbox.command import call_host
from tests.support.traffic.clients import PROTOCOLS, client_module

SOON = 60.0
"""Seconds after which a wait fails."""

PAIR = Tensor("pair", np.float32, (2,))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    for name in ("images.py", "colours.txt"):
        shutil.copy(MODELS / name, folder)
    return folder


@pytest.fixture(scope="module")
def host(folder: Path) -> Iterator[RunningHost]:
    with run_host(folder / "images.py", options=["--reload", "--allow=attach", f"--run-dir={folder}"]) as host:
        yield host


def request(protocol: str, name: str, array: NDArray[Any], outputs: dict[str, int]) -> tuple[list[Any], list[Any]]:
    """The input and the outputs of a request, each with the number of classes that it asks for."""
    module = client_module(protocol)
    data_type = {"f": "FP32", "u": "UINT8"}[array.dtype.kind]
    tensor = module.InferInput(name, array.shape, data_type)
    tensor.set_data_from_numpy(array)
    return [tensor], [module.InferRequestedOutput(output, class_count=count) for output, count in outputs.items()]


def classes(
    host: RunningHost, protocol: str, model: str, name: str, array: NDArray[Any], outputs: dict[str, int]
) -> list[list[Any]]:
    """For each output the answers of Triton's classification, as str."""
    tensors, wanted = request(protocol, name, array, outputs)
    with client_module(protocol).InferenceServerClient(getattr(host, protocol)) as client:
        result = client.infer(model, tensors, outputs=wanted)
        return [np.char.decode(result.as_numpy(output).astype(bytes)).tolist() for output in outputs]


def images(*colours: tuple[int, int, int]) -> NDArray[Any]:
    return np.stack([np.full((8, 8, 3), colour, np.float32) for colour in colours])


BATCH = images((255, 51, 0), (0, 255, 51), (0, 102, 255), (51, 0, 255))
NAMED = [
    ["1.000000:0:red", "0.200000:1:green", "0.000000:2:blue"],
    ["1.000000:1:green", "0.200000:2:blue", "0.000000:0:red"],
    ["1.000000:2:blue", "0.400000:1:green", "0.000000:0:red"],
    ["1.000000:2:blue", "0.200000:0:red", "0.000000:1:green"],
]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_batch_is_answered_with_names(host: RunningHost, protocol: str) -> None:
    assert classes(host, protocol, "colour", "image", BATCH, {"scores": 3}) == [NAMED]
    assert classes(host, protocol, "colour", "image", BATCH, {"scores": 1}) == [[row[:1] for row in NAMED]]
    assert classes(host, protocol, "colour", "image", BATCH[:1], {"scores": 100}) == [NAMED[:1]]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_two_outputs_without_a_batch_axis(host: RunningHost, protocol: str) -> None:
    """Labels of a list and of a shape with an open dimension; a name that no file can have."""
    image = np.stack([np.full((8, 8), value, np.uint8) for value in (1, 4, 2)])
    found = classes(host, protocol, "one_colour", "image", image, {"a/b": 2, "sums": 1})
    assert [np.ravel(each).tolist() for each in found] == [["4.000000:1:green", "2.000000:2:blue"], ["256:1:G"]]


def test_a_stream_is_answered_with_names(host: RunningHost) -> None:
    answers: queue.Queue[tuple[Any, Any]] = queue.Queue()
    tensors, wanted = request("grpc", "image", BATCH, {"scores": 3})
    with tritonclient.grpc.InferenceServerClient(host.grpc) as client:
        client.start_stream(lambda result, error: answers.put((result, error)))
        client.async_stream_infer("colour", tensors, outputs=wanted)
        result, error = answers.get(timeout=SOON)
        assert error is None
        assert np.char.decode(result.as_numpy("scores").astype(bytes)).tolist() == NAMED


def test_wrong_labels_are_one_bad_line_of_check(tmp_path: Path) -> None:
    """It names the file, what is wrong and the line of the declaration."""
    shutil.copy(MODELS / "images.py", tmp_path / "pictures.py")
    done = call_host("check", "--http-port=0", "--grpc-port=0", "--metrics-port=0", str(tmp_path / "pictures.py"))
    (bad,) = [line for line in done.stdout.splitlines() if line.startswith("bad")]
    assert f"Tensor 'scores': labels file {tmp_path / 'colours.txt'} does not exist; write a path relative to" in bad
    assert bad.endswith("the package includes the file (line 19)")
    assert done.returncode == 1


def test_the_model_configuration(host: RunningHost) -> None:
    """As image clients read it."""
    with tritonclient.http.InferenceServerClient(host.http) as client:
        configs = {name: client.get_model_config(name) for name in ("colour", "one_colour", "encoded_colour")}
    formats = {name: config["input"][0]["format"] for name, config in configs.items()}
    assert formats == {"colour": "FORMAT_NHWC", "one_colour": "FORMAT_NCHW", "encoded_colour": "FORMAT_NONE"}
    files = [output["label_filename"] for output in configs["one_colour"]["output"]]
    assert files == ["labels-0.txt", "labels-1.txt"]


def test_labels_that_change_are_served(host: RunningHost, folder: Path) -> None:
    """With `--reload`, as a change of the module."""
    first = partial(classes, host, "grpc", "colour", "image", images((9, 0, 0)), {"scores": 1})
    try:
        replaced(folder / "colours.txt", "rot\ngrün\nblau\n")
        wait_until(lambda: first()[0][0][0].endswith(":rot"), SOON, "the new names are served")
        replaced(folder / "colours.txt", "rot\ngrün\n")
        wait_until(lambda: "2 labels, and shape (3,) has 3 elements in each row" in host.log, SOON, "they are refused")
        assert first()[0][0][0].endswith(":rot")
    finally:
        replaced(folder / "colours.txt", "red\ngreen\nblue\n")
        wait_until(lambda: first()[0][0][0].endswith(":red"), SOON, "the first names are served again")


def replaced(file: Path, text: str) -> None:
    """Write the file in one step, as editors do."""
    file.with_suffix(".new").write_text(text, encoding="utf-8")
    os.replace(file.with_suffix(".new"), file)


def test_an_attached_callable_and_its_next_version(host: RunningHost, folder: Path) -> None:
    with Host.connect(folder) as connected:
        for labels in (["no", "yes"], ["nein", "ja"]):
            scores = Tensor("scores", np.float32, (2,), labels=labels)
            connected.attach(lambda pair: pair, name="graded", inputs=[PAIR], outputs=[scores])
            for protocol in PROTOCOLS:
                pair = np.array([[0, 1], [1, 0]], np.float32)
                found = classes(host, protocol, "graded", "pair", pair, {"scores": 1})
                assert found == [[[f"1.000000:1:{labels[1]}"], [f"1.000000:0:{labels[0]}"]]]
        other = Tensor("scores", np.float32, (2,), labels=["0", "1"])
        with pytest.raises(AttachError, match="has other inputs, outputs or another max_batch_size than version 1"):
            connected.attach(lambda pair: pair, name="graded", version=2, inputs=[PAIR], outputs=[other])
