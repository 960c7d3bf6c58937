"""Every model of README.md and docs/ answers, and so do the errors that the pages promise; runs in pytest."""

from __future__ import annotations

import http.client
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc
from doc_blocks import ROOT, blocks
from doc_examples import RAISE_CODE, Examples, ask, kind
from scrape import page
from tritonclient.utils import InferenceServerException

from pytriton_plugins.testing import RunningHost, run_host, wait_until

_MARKED = re.compile(r"^@infer_func(?:\(.*?\n?\))?\n(?:def|async def|class) ", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"^\| `([A-Z_]+)`.* \| (\d+) \| ([A-Z_]+) \|$", re.MULTILINE)
CODES = _CODE.findall((ROOT / "docs/write-a-model-plugin.md").read_text())

IMAGE = [[[[30, 60, 90], [10, 20, 30]]]]
CALLS: list[tuple[str, dict[str, tuple[str, Any]], dict[str, Any]]] = [
    ("add", {"a": ("FP32", [[1, 2]]), "b": ("FP32", [[10, 20]])}, {"sum": [11, 22]}),
    ("row_mean", {"x": ("FP32", [[1, 2, 6], [0, 0, 3]])}, {"mean": [3, 1]}),
    ("share", {"x": ("FP32", [[1, 3]])}, {"share": [0.25, 0.75]}),
    ("grey", {"image:0": ("UINT8", IMAGE)}, {"grey:0": [60, 20]}),
    ("colours", {"image": ("UINT8", IMAGE)}, {"mean": [20, 40, 60], "darkest": [10, 20, 30]}),
    ("negative", {"image": ("UINT8", IMAGE)}, {"negative": [225, 195, 165, 245, 235, 225]}),
    (
        "matrix_power",
        {"a": ("FP64", [[2, 0], [0, 3]]), "power": ("INT32", [2])},
        {"result": [4, 0, 0, 9], "trace": [13]},
    ),
    (
        "measure",
        {"text": ("BYTES", [["straße"]]), "data": ("BYTES", [["a", "bcd"]])},
        {"upper": ["STRASSE"], "sizes": [1, 3]},
    ),
    ("scale", {"x": ("FP32", [[1, 2]])}, {"y": [1, 2]}),
    ("scale", {"x": ("FP32", [[1, 2]]), "factor": ("FP32", [[3]])}, {"y": [3, 6]}),
    ("nearest", {"point": ("FP32", [[3, 3], [0, 1]])}, {"index": [1, 0]}),
    ("halved", {"x": ("FP32", [[4]])}, {"y": [2]}),
    ("doubled", {"x": ("FP32", [[4]])}, {"y": [8]}),
    ("squared", {"x": ("FP32", [[1, 2, 3]])}, {"y": [1, 4, 9]}),
    ("looked_up", {"x": ("FP32", [[1, 2]])}, {"y": [2, 3]}),
    ("largest", {"x": ("FP32", [[1, 5, 2], [7, 0, 1]])}, {"largest": [5, 7]}),
    ("refined", {"x": ("FP32", [[1, 2]])}, {"y": [2, 4], "steps": [1]}),
    ("doubled/versions/1", {"x": ("FP32", [[4]])}, {"y": [8]}),
    ("clipped", {"x": ("FP32", [[0.5, 3, 4]])}, {"y": [0.5, 1, 1]}),
    ("pooled", {"x": ("FP32", [[1, 2], [3, 4]])}, {"total": [3, 7]}),
    ("limited", {"x": ("FP32", [[1, 2]])}, {"y": [2, 3]}),
    ("urgent", {"x": ("FP32", [[1, 2]])}, {"y": [2, 3]}),
    ("Warmed", {"x": ("FP32", [[1, 2]])}, {"y": [1, 2], "samples": [3]}),
    ("Cached", {"x": ("FP32", [[1, 2, 3, 4]])}, {"calls": [1]}),
    ("Cached", {"x": ("FP32", [[1, 2, 3, 4]])}, {"calls": [1]}),
    ("Cached", {"x": ("FP32", [[1, 2, 3, 5]])}, {"calls": [2]}),
]


@pytest.mark.parametrize(("model", "inputs", "expected"), CALLS, ids=[call[0] for call in CALLS])
def test_models_answer(
    model: str, inputs: dict[str, tuple[str, Any]], expected: dict[str, Any], host: RunningHost
) -> None:
    status, answer = infer(host, model, inputs)
    assert status == 200, answer
    assert {output["name"]: output["data"] for output in answer["outputs"]} == expected


def test_the_configuration_file_of_the_page_goes_before_the_code(examples: Examples, tmp_path: Path) -> None:
    (file,) = [block for block in blocks("toml") if block.page == "model-configuration"]
    (model,) = [block for block in blocks("python") if (block.page, block.name) == (file.page, "pooled.py")]
    (tmp_path / file.name).write_text(file.text)
    with run_host(examples.file(model), options=[f"--config={tmp_path / file.name}"]) as host:
        config = json.loads(ask(host, "/v2/models/pooled/config", None)[1])
        batching = config["dynamic_batching"]
        assert (config["max_batch_size"], batching["preferred_batch_size"]) == (8, [4])
        assert batching["max_queue_delay_microseconds"] == 500
        assert "model pooled version 1: serving; shared memory 16.0 MiB for 1 worker" in host.log


def test_what_a_model_of_the_page_counts_is_shown_as_the_page_says(host: RunningHost) -> None:
    (shown,) = [block.text for block in blocks("text") if block.page == "metrics"]
    *about, sample = shown.splitlines()
    infer(host, "clipped", {"x": ("FP32", [[0.5, 3, 4]])})
    series = sample.rpartition(" ")[0]
    wait_until(lambda: f"{series} " in page(host.metrics), 10, "it is counted")
    assert set(about) <= set(page(host.metrics).splitlines())


def infer(host: RunningHost, model: str, inputs: dict[str, tuple[str, Any]]) -> tuple[int, Any]:
    """Send one request by HTTP; the status, and the answer's JSON."""
    tensors = [
        {"name": name, "datatype": datatype, "shape": np.array(data, object).shape, "data": data}
        for name, (datatype, data) in inputs.items()
    ]
    status, answer = ask(host, f"/v2/models/{model}/infer", json.dumps({"inputs": tensors}))
    return status, json.loads(answer)


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
    connection = http.client.HTTPConnection(host.http, timeout=10)
    connection.request("POST", "/v2/models/measure/infer", body, {"Inference-Header-Content-Length": str(len(header))})
    response = connection.getresponse()
    assert (response.status, b"not UTF-8" in response.read()) == (400, True)
    connection.close()


@pytest.mark.parametrize(
    ("code", "http_status", "grpc_status"),
    CODES,
)
def test_error_codes_reach_the_client(code: str, http_status: str, grpc_status: str, host: RunningHost) -> None:
    status, answer = infer(host, "raise_code", {"code": ("BYTES", [[code]])})
    assert (str(status), answer["error"]) == (http_status, f"asked for {code}")
    client = tritonclient.grpc.InferenceServerClient(host.grpc)
    tensor = tritonclient.grpc.InferInput("code", [1, 1], "BYTES")
    tensor.set_data_from_numpy(np.array([[code]], object))
    with pytest.raises(InferenceServerException) as raised:
        client.infer("raise_code", [tensor])
    assert raised.value.status() == f"StatusCode.{grpc_status}"
    client.close()


def test_a_worker_that_ends_costs_its_request_only(host: RunningHost) -> None:
    status, answer = infer(host, "raise_code", {"code": ("BYTES", [["exit"]])})
    assert (status, "its worker ended" in answer["error"]) == (503, True)
    status, answer = infer(host, "raise_code", {"code": ("BYTES", [["ValueError"]])})
    assert (status, answer["error"]) == (500, "ValueError: asked for it")


def test_every_model_is_ready(host: RunningHost) -> None:
    table = host.output.partition("\nHTTP ")[0].splitlines()
    texts = [block.text for block in blocks("python") if kind(block) == "model"]
    models = _MARKED.findall("\n".join([*texts, RAISE_CODE]))
    assert len(table) - 1 == len(models)
    assert all(line.rstrip().endswith("ready") for line in table[1:])
