"""Every model of README.md and docs/ answers, and so do the errors that the pages promise; runs in pytest."""

from __future__ import annotations

import http.client
import json
import re
import urllib.request
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from pytriton_plugins.testing import RunningHost, wait_until
from tests.support.docs.blocks import ROOT, blocks
from tests.support.docs.calls import CALLS, NO_JSON, WAYS, Inputs, answered, array_of, as_json, post_json
from tests.support.docs.examples import RAISE_CODE, kind
from tests.support.traffic.clients import attempt
from tests.support.traffic.scrape import page
from tests.support.traffic.streams import grpc_stream, http_stream

_MARKED = re.compile(r"^@infer_func(?:\(.*?\n?\))?\n(?:def|async def|class) ", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"^\| `([A-Z_]+)`.* \| (\d+) \| ([A-Z_]+) \|$", re.MULTILINE)
CODES = _CODE.findall((ROOT / "docs/how-to/write-a-model-plugin.md").read_text())

STREAMS: list[tuple[str, Inputs, str, list[Any]]] = [
    ("counted", {"upto": ("INT32", [[3]])}, "number", [0, 1, 2]),
    ("spelled", {"word": ("BYTES", [["aß"]])}, "letter", ["a", "ß"]),
]

SEQUENCES: list[tuple[str, str, Any, str, list[float]]] = [
    ("running_average", "value", np.float32, "average", [1, 1.5, 3]),
    ("history", "token", np.int64, "length", [1, 2, 3]),
]
"""Models with state: the answers to 1, 2 and 6 in one sequence."""


@pytest.mark.parametrize(("model", "inputs", "expected"), CALLS, ids=[call[0] for call in CALLS])
@pytest.mark.parametrize("way", WAYS)
def test_models_answer(model: str, inputs: Inputs, expected: dict[str, list[Any]], way: str, host: RunningHost) -> None:
    if way == "json" and {datatype for datatype, _ in inputs.values()} & NO_JSON:
        status, answer = post_json(host, model, inputs)
        assert (status, "JSON" in answer["error"]) == (400, True)
    else:
        assert answered(host, way, model, inputs) == expected


@pytest.mark.parametrize(("model", "inputs", "output", "expected"), STREAMS, ids=[call[0] for call in STREAMS])
def test_streams_answer(model: str, inputs: Inputs, output: str, expected: list[Any], host: RunningHost) -> None:
    parts, error = grpc_stream(host, model, {name: array_of(*given) for name, given in inputs.items()}, output)
    assert ([as_json(value) for part in parts for value in part], error) == (expected, "")
    plain = {name: np.array(data, object).item() for name, (_, data) in inputs.items()}
    assert [event[output] for event in http_stream(host, model, plain)] == expected


@pytest.mark.parametrize(
    ("model", "given", "dtype", "output", "expected"), SEQUENCES, ids=[each[0] for each in SEQUENCES]
)
def test_models_with_state_answer(
    model: str, given: str, dtype: Any, output: str, expected: list[float], host: RunningHost
) -> None:
    answers = []
    with tritonclient.grpc.InferenceServerClient(host.grpc) as client:
        for place, value in enumerate([1, 2, 6]):
            tensor = tritonclient.grpc.InferInput(given, [1, 1], np_to_triton_dtype(dtype))
            tensor.set_data_from_numpy(np.full((1, 1), value, dtype))
            flags = {"sequence_id": 7, "sequence_start": place == 0, "sequence_end": place == 2}
            answers.append(client.infer(model, [tensor], **flags).as_numpy(output).item())
    assert answers == expected


def test_warm_up_comes_before_all_requests(host: RunningHost) -> None:
    seen = [answered(host, way, "Warmed", {"x": ("FP32", [[1, 2]])}) for way in WAYS]
    assert seen == [{"y": [1, 2], "samples": [samples]} for samples in (3, 4, 5)]


def test_tags_are_labels_of_the_metrics(host: RunningHost) -> None:
    with urllib.request.urlopen(f"http://{host.metrics}/metrics") as answer:
        lines = answer.read().decode().splitlines()
    (line,) = [each for each in lines if each.startswith("nv_inference_request_success{") and 'model="tagged"' in each]
    assert '_team="vision"' in line


def test_a_model_that_counts_and_refuses(host: RunningHost) -> None:
    for turn, way in enumerate(WAYS):
        assert answered(host, way, "seen", {"x": ("FP32", [[1], [2]])}) == {"seen": [3 * turn + 2] * 2}
        protocol = "grpc" if way == "grpc" else "http"
        failed = attempt(host, protocol, "seen", {"x": np.array([[np.nan]], np.float32)})
        assert failed.error == "ValueError: x is not finite"


def test_a_metric_of_a_model_of_the_page_is_shown_as_the_page_says(host: RunningHost) -> None:
    (shown,) = [block.text for block in blocks("text") if block.page == "metrics"]
    *about, sample = shown.splitlines()
    answered(host, "grpc", "clipped", {"x": ("FP32", [[0.5, 3, 4]])})
    series = sample.rpartition(" ")[0]
    wait_until(lambda: f"{series} " in page(host.metrics), 10, "it is counted")
    assert set(about) <= set(page(host.metrics).splitlines())


def test_no_model_is_left_out(host: RunningHost) -> None:
    served = {tuple(line.split()[:2]) for line in host.output.partition("\nHTTP ")[0].splitlines()[1:]}
    newest = {"doubled": "2"}
    asked = {model.partition("/versions/")[::2] for model in [*(call[0] for call in CALLS), *(s[0] for s in STREAMS)]}
    assert {(name, version or newest.get(name, "1")) for name, version in asked} == served - {
        ("Warmed", "1"),
        *((model, "1") for model, *_ in SEQUENCES),
        ("seen", "1"),
        ("level", "1"),
        ("raise_code", "1"),
    }


def test_a_breakpoint_of_the_pages_is_told_as_the_page_says(host: RunningHost) -> None:
    (told,) = [block.text.strip() for block in blocks("text") if block.page == "debug-and-profile"]
    assert attempt(host, "grpc", "level", {"x": np.ones((1, 1), np.float32)}).error == told


def test_text_that_is_not_utf8_is_the_clients_mistake(host: RunningHost) -> None:
    header = json.dumps(
        {
            "inputs": [
                {"name": "text", "datatype": "BYTES", "shape": [1, 1], "parameters": {"binary_data_size": 5}},
                {"name": "data", "datatype": "BYTES", "shape": [1, 1], "data": ["a"]},
            ]
        }
    )
    body = header.encode() + b"\x01\0\0\0\xff"
    connection = http.client.HTTPConnection(host.http, timeout=60)
    connection.request("POST", "/v2/models/measure/infer", body, {"Inference-Header-Content-Length": str(len(header))})
    response = connection.getresponse()
    assert (response.status, b"not UTF-8" in response.read()) == (400, True)
    connection.close()


@pytest.mark.parametrize(
    ("code", "http_status", "grpc_status"),
    CODES,
)
def test_error_codes_reach_the_client(code: str, http_status: str, grpc_status: str, host: RunningHost) -> None:
    status, answer = post_json(host, "raise_code", {"code": ("BYTES", [[code]])})
    assert (str(status), answer["error"]) == (http_status, f"asked for {code}")
    client = tritonclient.grpc.InferenceServerClient(host.grpc)
    tensor = tritonclient.grpc.InferInput("code", [1, 1], "BYTES")
    tensor.set_data_from_numpy(np.array([[code]], object))
    with pytest.raises(InferenceServerException) as raised:
        client.infer("raise_code", [tensor])
    assert raised.value.status() == f"StatusCode.{grpc_status}"
    client.close()


def test_a_worker_that_ends_costs_its_request_only(host: RunningHost) -> None:
    status, answer = post_json(host, "raise_code", {"code": ("BYTES", [["exit"]])})
    assert (status, "its worker ended" in answer["error"]) == (503, True)
    status, answer = post_json(host, "raise_code", {"code": ("BYTES", [["ValueError"]])})
    assert (status, answer["error"]) == (500, "ValueError: asked for it")


def test_every_model_is_ready(host: RunningHost) -> None:
    table = host.output.partition("\nHTTP ")[0].splitlines()
    texts = [block.text for block in blocks("python") if kind(block) == "model"]
    models = _MARKED.findall("\n".join([*texts, RAISE_CODE]))
    assert len(table) - 1 == len(models)
    assert all(line.rstrip().endswith("ready") for line in table[1:])
