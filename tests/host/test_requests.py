"""Valid requests of clients and their exact answers, over both protocols."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from numpy.typing import NDArray

from pytriton_plugins.testing import RunningHost, wait_until
from tests.support.number_kinds import KINDS
from tests.support.traffic.clients import Answered, Crowd, Gate, attempt, infer, post, queues, texts


@pytest.fixture(params=["grpc", "http"])
def protocol(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def extremes(kind: str) -> NDArray[Any]:
    """Two rows of three pairs with the largest and smallest values of ``kind``."""
    dtype = np.dtype(kind)
    if dtype.kind == "b":
        values = np.array([True, False, False, True, True, False] * 2)
    elif dtype.kind == "f":
        limits = np.finfo(dtype)
        values = np.array([limits.max, limits.min, limits.tiny, -0.0, np.inf, 0.5] * 2, dtype)
    else:
        bounds = np.iinfo(dtype)
        values = np.array([bounds.max, bounds.min, 0, 1, bounds.max - 1, 17] * 2, dtype)
    return values.reshape(2, 3, 2)


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_of_each_dtype_are_exact(host: RunningHost, protocol: str, kind: str) -> None:
    array = extremes(kind)
    answer = infer(host, protocol, "mirror", {kind: array}, outputs=[kind])
    assert list(answer) == [kind]
    assert answer[kind].dtype == array.dtype
    assert answer[kind].tobytes() == array[:, ::-1].tobytes()


def test_bfloat16_is_exact(host: RunningHost, protocol: str) -> None:
    x = np.array([[1.5, -0.0, 2.0**-133, np.inf, 1.6e38, 3.140625]], ml_dtypes.bfloat16)
    y = infer(host, protocol, "doubled", {"x": x})["y"]
    assert y.dtype == x.dtype
    assert y.view(np.uint16).tolist() == [[0x4040, 0x8000, 0x0002, 0x7F80, 0x7F71, 0x40C9]]


def test_several_inputs_and_outputs_in_any_order(host: RunningHost, protocol: str) -> None:
    given = {kind: extremes(kind) for kind in ("int64", "bool", "float16", "uint8")}
    answer = infer(host, protocol, "mirror", given, outputs=["float16", "uint8", "int64", "float64"])
    assert set(answer) == {"float16", "uint8", "int64", "float64"}
    assert all(answer[kind].tolist() == given[kind][:, ::-1].tolist() for kind in ("float16", "uint8", "int64"))
    assert answer["float64"].shape == (2, 0, 2)


def test_without_a_list_every_output_is_sent(host: RunningHost, protocol: str) -> None:
    answer = infer(host, protocol, "mirror", {"int8": extremes("int8")})
    assert set(answer) == set(KINDS)


@pytest.mark.parametrize("shape", [(1, 0, 2), (3, 0, 2)])
def test_tensors_without_elements(host: RunningHost, protocol: str, shape: tuple[int, ...]) -> None:
    answer = infer(host, protocol, "mirror", {"float32": np.zeros(shape, np.float32)}, outputs=["float32", "bool"])
    assert answer["float32"].shape == shape
    assert answer["bool"].shape == shape


def test_strings_without_elements(host: RunningHost, protocol: str) -> None:
    empty = np.zeros((1, 0), object)
    answer = infer(host, protocol, "strings", {"raw": empty, "text": empty}, outputs=["raw", "text", "lengths"])
    assert [answer[name].shape for name in ("raw", "text", "lengths")] == [(1, 0)] * 3


def test_bytes_and_text(host: RunningHost, protocol: str) -> None:
    raw = texts(b"\x00\xff end\x00", b"", bytes(range(256)), b"x" * 100_000)
    text = texts("größer", "", "日本", "a\x00b")
    answer = infer(host, protocol, "strings", {"raw": raw, "text": text})
    assert answer["raw"].tolist() == [[item[::-1] for item in raw[0]]]
    assert [item.decode() for item in answer["text"][0]] == ["GRÖSSER", "", "日本", "A\x00B"]
    assert answer["lengths"].tolist() == [[6, 0, 2, 3]]


def test_text_that_is_not_utf8_is_the_clients_error(host: RunningHost, protocol: str) -> None:
    refused = attempt(host, protocol, "strings", {"raw": texts("a"), "text": texts(b"good", b"ab\xff")})
    assert refused.status in ("400", "StatusCode.INVALID_ARGUMENT")
    assert "input 'text': string 1 is not UTF-8" in refused.error


def test_scalars_travel_as_one_element(host: RunningHost, protocol: str) -> None:
    answer = infer(host, protocol, "scalars", {"x": np.array([[2.0], [0.5], [-1.0]])})
    assert answer["product"].tolist() == [[20.0], [5.0], [-10.0]]
    assert answer["had_factor"].tolist() == [[False]] * 3


def test_an_optional_input_that_is_there(host: RunningHost, protocol: str) -> None:
    answer = infer(host, protocol, "scalars", {"x": np.array([[2.0]]), "factor": np.array([[4.0]])})
    assert (answer["product"].tolist(), answer["had_factor"].tolist()) == ([[8.0]], [[True]])


def test_a_model_without_batch_axis(host: RunningHost, protocol: str) -> None:
    matrix = np.array([[1, 2, 3], [10, 20, 30]], np.int64)
    answer = infer(host, protocol, "unbatched", {"matrix": matrix, "add": np.array([100], np.int64)})
    assert answer["sums"].tolist() == [111, 122, 133]
    assert answer["total"].tolist() == [66]


def test_json_as_curl_sends_it(host: RunningHost) -> None:
    inputs = [
        {"name": "raw", "datatype": "BYTES", "shape": [1, 1], "data": ["abc"]},
        {"name": "text", "datatype": "BYTES", "shape": [1, 2], "data": ["x", "ß"]},
    ]
    status, answer = post(host, "/v2/models/strings/infer", {"inputs": inputs})
    assert status == 200
    assert {item["name"]: item["data"] for item in answer["outputs"]} == {
        "raw": ["cba"],
        "text": ["X", "SS"],
        "lengths": [1, 1],
    }


def gathered(
    host: RunningHost, protocol: str, folder: Path, requests: list[list[int]], model: str = "gathered"
) -> list[Answered]:
    """The results of ``requests``, sent at once while the only worker is busy, so that they make one batch."""
    gate = Gate(folder / "gate")
    with Crowd(host, len(requests) + 1) as crowd:
        first = crowd.send(model, {"x": np.array([[0]], np.int32), "gate": gate.tensor}, protocol)
        wait_until(gate.is_reached, what="the first request runs")
        others = [crowd.send(model, rows(request), protocol) for request in requests]
        wait_until(lambda: queues(host.metrics, model) == (0, len(requests)), what="the others wait in the backend")
        gate.open()
        assert first.result().outputs["batch"].tolist() == [[1]]
        return [other.result() for other in others]


def rows(numbers: list[int]) -> dict[str, NDArray[Any]]:
    column = np.array(numbers, np.int32).reshape(-1, 1)
    no_gate = np.full(column.shape, b"", object)
    return {"x": column, "gate": no_gate}


def test_requests_of_different_sizes_run_as_one_batch(host: RunningHost, protocol: str, tmp_path: Path) -> None:
    requests = [[5], [6, 7], [8, 9, 10], [11, 12, 13, 14]]
    for request, answer in zip(requests, gathered(host, protocol, tmp_path, requests), strict=True):
        assert answer.error == ""
        assert answer.outputs["doubled"].ravel().tolist() == [2 * number for number in request]
        assert answer.outputs["batch"].ravel().tolist() == [10] * len(request)


def test_one_bad_request_fails_alone(host: RunningHost, protocol: str, tmp_path: Path) -> None:
    requests = [[5, 6], [7, -1], [8], [2000], [9]]
    first, raises, second, refused, third = gathered(host, protocol, tmp_path, requests)
    for request, answer in (([5, 6], first), ([8], second), ([9], third)):
        assert answer.error == ""
        assert answer.outputs["doubled"].ravel().tolist() == [2 * number for number in request]
        assert answer.outputs["batch"].ravel().tolist() == [len(request)] * len(request)
    assert raises.error == "ValueError: below zero: -1"
    assert raises.status in ("500", "StatusCode.INTERNAL")
    assert refused.error == "2000 is more than 1000"
    assert refused.status in ("400", "StatusCode.INVALID_ARGUMENT")


def test_without_calling_alone_one_bad_request_fails_its_batch(
    host: RunningHost, protocol: str, tmp_path: Path
) -> None:
    before = infer(host, protocol, "gathered_once", rows([1]))["calls"].item()
    answers = gathered(host, protocol, tmp_path, [[5, 6], [7, -1], [8]], "gathered_once")
    assert [answer.error for answer in answers] == ["ValueError: below zero: -1"] * 3
    # One call for the request at the gate, one for the batch.
    assert infer(host, protocol, "gathered_once", rows([1]))["calls"].item() == before + 3


WRONG: dict[str, tuple[dict[str, NDArray[Any]], str]] = {
    "an unknown input": ({"x": rows([1])["x"], "gates": rows([1])["gate"]}, "unexpected inference input 'gates'"),
    "a missing input": ({"x": rows([1])["x"]}, "expected 2 inputs but got 1 inputs"),
    "another dtype": ({**rows([1]), "x": np.ones((1, 1), np.float32)}, "data-type is 'FP32'"),
    "another rank": ({**rows([1]), "x": np.ones((1, 1, 1), np.int32)}, "unexpected shape for input 'x'"),
    "another length": ({**rows([1]), "x": np.ones((1, 2), np.int32)}, "unexpected shape for input 'x'"),
    "two batch sizes": ({**rows([1]), "x": np.ones((2, 1), np.int32)}, "batch size"),
    "too large a batch": (rows([1] * 17), "must be <= 16"),
}


@pytest.mark.parametrize("what", WRONG)
def test_triton_refuses_what_does_not_fit_the_declaration(host: RunningHost, protocol: str, what: str) -> None:
    inputs, expected = WRONG[what]
    before = infer(host, protocol, "gathered", rows([1]))["calls"].item()
    refused = attempt(host, protocol, "gathered", inputs)
    assert expected in refused.error
    assert refused.status in ("400", "StatusCode.INVALID_ARGUMENT")
    assert infer(host, protocol, "gathered", rows([1]))["calls"].item() == before + 1


def test_an_unknown_model_and_an_unknown_output(host: RunningHost, protocol: str) -> None:
    assert "is not found" in attempt(host, protocol, "nobody", rows([1])).error
    before = infer(host, protocol, "gathered", rows([1]))["calls"].item()
    assert (
        "unexpected inference output 'tripled'"
        in attempt(host, protocol, "gathered", rows([1]), outputs=["tripled"]).error
    )
    assert infer(host, protocol, "gathered", rows([1]))["calls"].item() == before + 1
