"""Attached callables that follow other rules than those of `infer_func`, as a package for PyTriton's scripts needs."""

from __future__ import annotations

import json
import threading
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc
from tritonclient.utils import InferenceServerException

from pytriton_plugins import Request, Tensor
from pytriton_plugins.model.call_rules import CallRules
from pytriton_plugins.model.call_settings import Settings
from pytriton_plugins.script.attach import attach_by_rules
from pytriton_plugins.script.attachment import Attachment
from pytriton_plugins.testing import RunningHost
from tests.support.script.calls import X, Y, call
from tests.support.traffic.clients import infer

Array = np.ndarray[Any, Any]
Attach = Callable[..., Attachment]

EVERY = CallRules(equal_shapes=True, any_form=True, writable=True, lenient=True)
TEXT, ECHO = Tensor("text", str, (-1,)), Tensor("echo", str, (-1,))


@pytest.fixture
def attached(run_dir: Path) -> Iterator[Attach]:
    """Attaches a callable under the name "ruled"; it is removed after the test."""
    models: list[Attachment] = []

    def run(
        callable_: Any,
        rules: CallRules = EVERY,
        inputs: Any = (X,),
        outputs: Any = (Y,),
        config: dict[str, Any] | None = None,
        max_batch_size: int = 64,
    ) -> Attachment:
        settings = Settings("ruled", 1, max_batch_size, 1, 1, None, False, None, config)
        model = attach_by_rules(run_dir, callable_, settings, list(inputs), list(outputs), rules=rules)
        models.append(model)
        model.ready()
        return model

    yield run
    for model in models:
        model.remove()


def at_once(host: RunningHost, *rows: tuple[float, ...]) -> list[list[float]]:
    """The answers to requests that are sent at the same time, one for each of ``rows``."""
    with ThreadPoolExecutor(len(rows)) as pool:
        return list(pool.map(lambda values: call(host, "ruled", *values), rows))


def in_pairs(seconds: float) -> dict[str, Any]:
    """Two requests make a batch at once; one of them waits for so long."""
    delay = int(seconds * 1e6)
    return {"dynamic_batching": {"preferred_batch_size": [2], "max_queue_delay_microseconds": delay}}


@pytest.mark.parametrize("writable", [False, True])
def test_a_list_of_requests_of_equal_shapes(host: RunningHost, attached: Attach, writable: bool) -> None:
    """Such requests share a batch."""
    seen: list[list[tuple[int, ...]]] = []

    def double(requests: list[Request]) -> list[dict[str, Array]]:
        seen.append([request["x"].shape for request in requests])
        return [{"y": request["x"] * 2} for request in requests]

    attached(double, CallRules(equal_shapes=True, writable=writable), config=in_pairs(60))
    assert at_once(host, (1, 2), (3, 4)) == [[2, 4], [6, 8]]
    assert seen == [[(1, 2), (1, 2)]]


def test_requests_of_other_shapes_are_in_other_lists(host: RunningHost, attached: Attach) -> None:
    """However long one waits for another."""
    seen: list[int] = []

    def double(requests: list[Request]) -> list[dict[str, Array]]:
        seen.append(len(requests))
        return [{"y": request["x"] * 2} for request in requests]

    attached(double, CallRules(equal_shapes=True), config=in_pairs(0.2))
    assert at_once(host, (1, 2), (3, 4, 5)) == [[2, 4], [6, 8, 10]]
    assert seen == [1, 1]


def test_a_list_of_requests_without_a_batch_axis(host: RunningHost, attached: Attach) -> None:
    def double(requests: list[Request]) -> list[dict[str, Array]]:
        (request,) = requests
        return [{"y": request["x"] * 2}]

    attached(double, max_batch_size=0)
    assert infer(host, "grpc", "ruled", {"x": np.array([1, 2], np.float32)})["y"].tolist() == [2, 4]


def test_writable_inputs(host: RunningHost, attached: Attach) -> None:
    """A change is not seen by the next request, nor by the client's own copy."""

    def change(x: Array, text: Array) -> dict[str, Array]:
        x *= 2
        text[0, 0] += "!"
        return {"y": x, "echo": text}

    attached(change, CallRules(writable=True), inputs=[X, TEXT], outputs=[Y, ECHO])
    for _ in range(3):
        sent = {"x": np.array([[1, 2]], np.float32), "text": np.array([[b"a", b"b"]], object)}
        got = infer(host, "grpc", "ruled", sent)
        assert (got["y"].tolist(), got["echo"].tolist()) == ([[2, 4]], [[b"a!", b"b"]])


F64 = np.ones((2, 2)) * 1.5
LENIENT: list[tuple[Any, dict[str, Any]]] = [
    ({"y": F64, "extra": 1}, {"y": [[1.5, 1.5], [1.5, 1.5]]}),
    ({}, {}),
    ({"y": None}, {}),
    ({"z": np.array([[1], [2]])}, {"z": [[1], [2]]}),
    ({"y": np.zeros((2, 1, 3), np.float32)}, {"y": [[[0, 0, 0]], [[0, 0, 0]]]}),
    ({"y": [[1], [2]]}, {"y": [[1], [2]]}),
    ({"y": np.array([1, 2], np.int8)}, {"y": [[1], [2]]}),
    ({"echo": np.array([[b"a"], [b"b"]])}, {"echo": [[b"a"], [b"b"]]}),
    ({"echo": np.array([["a"], ["b"]])}, {"echo": [[b"a"], [b"b"]]}),
]


def test_lenient_outputs(host: RunningHost, attached: Attach) -> None:
    """As PyTriton without ``strict``: undeclared, missing, of another dtype or shape."""
    results = iter([result for result, _ in LENIENT])
    outputs = [Y, Tensor("z", np.float32, (3,)), ECHO]
    attached(lambda x: next(results), CallRules(lenient=True), outputs=outputs)
    for result, expected in LENIENT:
        got = infer(host, "http", "ruled", {"x": np.ones((2, 1), np.float32)})
        assert {name: array.tolist() for name, array in got.items()} == expected, result


def test_lenient_outputs_still_have_a_row_for_each_of_the_request(host: RunningHost, attached: Attach) -> None:
    attached(lambda x: {"y": x[:1]}, CallRules(lenient=True))
    with pytest.raises(InferenceServerException, match=r"output 'y' has shape \(1, 1\), expected 2 rows"):
        infer(host, "grpc", "ruled", {"x": np.ones((2, 1), np.float32)})
    assert call(host, "ruled", 3) == [3]


def listed(requests: list[Request]) -> Iterator[list[Any]]:
    for number in range(3):
        yield [{"y": request["x"] + number} for request in requests]


async def awaited(requests: list[Request]) -> AsyncIterator[list[Any]]:
    for number in range(3):
        yield [{"y": request["x"] + number} for request in requests]


def wrong(requests: list[Request]) -> Iterator[Any]:
    yield [{"y": request["x"] + 0} for request in requests]
    yield [ValueError("no more")]


def streamed(host: RunningHost) -> list[Any]:
    """The items of ``y`` of each response to one request, or its error."""
    found: list[Any] = []
    end = threading.Event()

    def take(result: Any, error: Any) -> None:
        if error is not None:
            found.append(error.message())
        elif (array := result.as_numpy("y")) is not None:
            found.append(array.item())
        if error is not None or len(found) == 3:
            end.set()

    with tritonclient.grpc.InferenceServerClient(host.grpc) as client:
        client.start_stream(take)
        tensor = tritonclient.grpc.InferInput("x", [1, 1], "FP32").set_data_from_numpy(np.ones((1, 1), np.float32))
        client.async_stream_infer("ruled", [tensor])
        assert end.wait(60)
        client.stop_stream()
    return found


@pytest.mark.parametrize("rules", [CallRules(any_form=True), EVERY])
@pytest.mark.parametrize(
    ("generator", "expected"), [(listed, [1, 2, 3]), (awaited, [1, 2, 3]), (wrong, [1, "ValueError: no more"])]
)
def test_a_generator_over_a_list_of_requests(
    host: RunningHost, attached: Attach, generator: Any, expected: list[Any], rules: CallRules
) -> None:
    attached(generator, rules)
    assert streamed(host) == expected


def posted(host: RunningHost, body: dict[str, Any]) -> Any:
    request = urllib.request.Request(f"http://{host.http}/v2/models/ruled/infer", json.dumps(body).encode())
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.loads(response.read())


@pytest.mark.parametrize("max_batch_size", [0, 8])
def test_a_model_without_outputs(host: RunningHost, attached: Attach, max_batch_size: int) -> None:
    seen: list[Any] = []

    def note(requests: list[Request]) -> list[Any]:
        seen.extend(request["x"].tolist() for request in requests)
        return [{} for _ in requests]

    attached(note, outputs=[], max_batch_size=max_batch_size)
    shape = [1, 2] if max_batch_size else [2]
    tensor = {"name": "x", "datatype": "FP32", "shape": shape, "data": [1, 2]}
    assert posted(host, {"inputs": [tensor]}).get("outputs", []) == []
    assert np.ravel(seen).tolist() == [1, 2]


@pytest.mark.parametrize("max_batch_size", [0, 8])
def test_a_model_without_inputs(host: RunningHost, attached: Attach, max_batch_size: int) -> None:
    def seven(requests: list[Request]) -> list[Any]:
        return [{"y": np.array([[7.0]] if max_batch_size else [7.0], np.float32)} for _ in requests]

    attached(seven, inputs=[], max_batch_size=max_batch_size)
    assert posted(host, {"inputs": []})["outputs"][0]["data"] == [7]
    with tritonclient.grpc.InferenceServerClient(host.grpc) as client:
        assert client.infer("ruled", []).as_numpy("y").ravel().tolist() == [7]
