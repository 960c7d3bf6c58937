"""Calls of each model of README.md and docs/, and ways to send them to a host."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytriton_plugins.model.tensors import dtype_by_triton_name
from pytriton_plugins.testing import RunningHost
from tests.support.docs.examples import ask
from tests.support.traffic.clients import infer

WAYS = ("json", "http", "grpc")
"""As curl sends it, and as tritonclient does over both protocols: in binary."""

NO_JSON = {"FP16", "BF16"}
"""What Triton does not carry as JSON."""

Inputs = dict[str, tuple[str, Any]]
"""Data type and values of each input."""

IMAGE = [[[[30, 60, 90], [10, 20, 30]]]]
POINTS = [[[0, 1], [4, 3]]]
CALLS: list[tuple[str, Inputs, dict[str, list[Any]]]] = [
    ("add", {"a": ("FP32", [[1, 2]]), "b": ("FP32", [[10, 20]])}, {"sum": [11, 22]}),
    ("summary", {"x": ("FP32", [[1, 3]])}, {"mean": [2], "spread": [1]}),
    ("row_mean", {"x": ("FP32", [[1, 2, 6], [0, 0, 3]])}, {"mean": [3, 1]}),
    ("middle", {"x": ("FP32", [[1, 2, 6], [0, 0, 3]])}, {"middle": [2, 0]}),
    ("centred", {"x": ("FP32", [[1, 2, 6], [0, 0, 3]])}, {"centred": [-1, 0, 4, 0, 0, 3]}),
    ("share", {"x": ("FP32", [[1, 3]])}, {"share": [0.25, 0.75]}),
    ("grey", {"image:0": ("UINT8", IMAGE)}, {"grey:0": [60, 20]}),
    ("colours", {"image": ("UINT8", IMAGE)}, {"mean": [20, 40, 60], "darkest": [10, 20, 30]}),
    ("dominant", {"image": ("UINT8", IMAGE)}, {"scores": [20, 40, 60]}),
    ("negative", {"image": ("UINT8", IMAGE)}, {"negative": [225, 195, 165, 245, 235, 225]}),
    (
        "matrix_power",
        {"a": ("FP64", [[2, 0], [0, 3]]), "power": ("INT32", [2])},
        {"result": [4, 0, 0, 9], "trace": [13]},
    ),
    ("embed", {"text": ("BYTES", [["a"]])}, {"vector": [1] + [0] * 25}),
    ("rank", {"query": ("FP32", [[0.5, 2]]), "choices": ("FP32", [[[1, 0], [0, 1]]])}, {"scores": [0.5, 2]}),
    ("suggest", {"text": ("BYTES", [[""]])}, {"word": ["apple"], "scores": [0] * 4}),
    ("patient", {"x": ("FP32", [[1, 2]])}, {"y": [1, 2]}),
    (
        "measure",
        {"text": ("BYTES", [["straße"]]), "data": ("BYTES", [["a", "bcd"]])},
        {"upper": ["STRASSE"], "sizes": [1, 3]},
    ),
    ("scale", {"x": ("FP32", [[1, 2]])}, {"y": [1, 2]}),
    ("scale", {"x": ("FP32", [[1, 2]]), "factor": ("FP32", [[3]])}, {"y": [3, 6]}),
    ("square_root", {"x": ("FP64", [[9, 2.25]])}, {"root": [3, 1.5]}),
    ("nearest", {"point": ("FP32", [[3, 3], [0, 1]])}, {"index": [1, 0]}),
    ("counted_rows", {"x": ("FP32", [[5]])}, {"y": [2.5]}),
    ("halved", {"x": ("FP32", [[4]])}, {"y": [2]}),
    ("doubled", {"x": ("FP32", [[4]])}, {"y": [8]}),
    ("doubled/versions/1", {"x": ("FP32", [[4]])}, {"y": [8]}),
    ("squared", {"x": ("FP32", [[1, 2, 3]])}, {"y": [1, 4, 9]}),
    ("looked_up", {"x": ("FP32", [[1, 2]])}, {"y": [2, 3]}),
    ("largest", {"x": ("FP32", [[1, 5, 2], [7, 0, 1]])}, {"largest": [5, 7]}),
    ("Graded", {"score": ("FP32", [[0.25], [0.625], [1]])}, {"grade": [0, 1, 1]}),
    ("refined", {"x": ("FP32", [[1, 2]])}, {"y": [2, 4], "steps": [1]}),
    ("clipped", {"x": ("FP32", [[0.5, 3, 4]])}, {"y": [0.5, 1, 1]}),
    ("pooled", {"x": ("FP32", [[1, 2], [3, 4]])}, {"total": [3, 7]}),
    ("limited", {"x": ("FP32", [[1, 2]])}, {"y": [2, 3]}),
    ("urgent", {"x": ("FP32", [[1, 2]])}, {"y": [2, 3]}),
    ("tagged", {"x": ("FP32", [[1, 2]])}, {"y": [0, 1]}),
    ("Cached", {"x": ("FP32", [[1, 2, 3, 4]])}, {"calls": [1]}),
    ("Cached", {"x": ("FP32", [[1, 2, 3, 4]])}, {"calls": [1]}),
    ("Cached", {"x": ("FP32", [[1, 2, 3, 5]])}, {"calls": [2]}),
    (
        "masked",
        {"x": ("FP32", [[1, 2], [3, 4]]), "keep": ("BOOL", [[True, False], [True, True]])},
        {"kept": [1, 0, 3, 4], "all": [False, True]},
    ),
    (
        "totals",
        {
            **{f"uint{bits}": (f"UINT{bits}", [[2**bits - 1, 1]]) for bits in (8, 16, 32)},
            **{f"int{bits}": (f"INT{bits}", [[-(2 ** (bits - 1)), -1]]) for bits in (8, 16, 32)},
        },
        {"unsigned": [256 + 65536 + 4294967296], "signed": [-129 - 32769 - 2147483649]},
    ),
    (
        "totals",
        {"uint64": ("UINT64", [[2**64 - 2, 1], [2**53 + 1, 0]]), "int64": ("INT64", [[-(2**63), 0], [2**53 + 1, 0]])},
        {"unsigned": [2**64 - 1, 2**53 + 1], "signed": [-(2**63), 2**53 + 1]},
    ),
    (
        "weighted",
        {"x": ("FP16", [[300, 400]]), "weights": ("FP32", [[1, 0.25]]), "bias": ("FP64", [[2**-30]])},
        {"half": [400], "single": [400], "double": [400 + 2**-30]},
    ),
    ("rectified", {"x": ("BF16", [[-1.5, 3.0, -0.0, 2.0**100]])}, {"y": [0, 3, 0, 2.0**100]}),
    (
        "hexed",
        {"data": ("BYTES", [["a\0", "", "ß"], ["b", "c", "d"]]), "mark": ("BYTES", [["ü"], [""]])},
        {"hexed": ["6100", "", "c39f", "62", "63", "64"], "marked": ["üa\0", "ü", "üß", "b", "c", "d"]},
    ),
    ("rounded", {"x": ("FP32", [[0.25, 1.75]])}, {"rounded": [0, 2]}),
    ("tripled", {"x": ("FP32", [[3, 5]])}, {"tripled": [9, 15]}),
    ("look", {"file": ("BYTES", [["a"]])}, {"kind": ["something else"]}),
    ("spans", {"points": ("FP32", POINTS)}, {"span": [4, 2], "count": [2]}),
    ("spans", {"points": ("FP32", POINTS), "scale": ("FP32", [[10]])}, {"span": [40, 20], "count": [2]}),
    ("spans", {"points": ("FP32", np.zeros((3, 0, 2)))}, {"span": [0] * 6, "count": [0] * 3}),
    ("chosen", {"points": ("FP32", POINTS[0])}, {"chosen": [0, 1, 4, 3], "count": [2]}),
    ("chosen", {"points": ("FP32", POINTS[0]), "least": ("FP32", [2])}, {"chosen": [4, 3], "count": [1]}),
    ("chosen", {"points": ("FP32", np.zeros((0, 2)))}, {"chosen": [], "count": [0]}),
]


def answered(host: RunningHost, way: str, model: str, inputs: Inputs) -> dict[str, list[Any]]:
    """The values of each output, in one list; ``model`` may end with ``/versions/N``."""
    if way == "json":
        status, answer = post_json(host, model, inputs)
        assert status == 200, answer
        return {output["name"]: output["data"] for output in answer["outputs"]}
    name, _, version = model.partition("/versions/")
    arrays = {each: array_of(*given) for each, given in inputs.items()}
    outputs = infer(host, way, name, arrays, version=version)
    return {each: [as_json(value) for value in array.ravel().tolist()] for each, array in outputs.items()}


def post_json(host: RunningHost, model: str, inputs: Inputs) -> tuple[int, Any]:
    """The status of one request, and the answer's JSON."""
    tensors = []
    for name, (datatype, data) in inputs.items():
        array = np.array(data, object)
        tensors.append({"name": name, "datatype": datatype, "shape": array.shape, "data": array.tolist()})
    status, answer = ask(host, f"/v2/models/{model}/infer", json.dumps({"inputs": tensors}))
    return status, json.loads(answer)


def array_of(datatype: str, data: Any) -> NDArray[Any]:
    """The array as tritonclient takes it."""
    array = np.array(data, dtype_by_triton_name(datatype).numpy)
    if datatype == "BYTES":
        array.ravel()[:] = [item.encode() for item in array.ravel()]
    return array


def as_json(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else value
