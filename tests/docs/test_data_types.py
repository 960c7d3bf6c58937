"""The table of data types against the code, and what that page promises beside its examples; runs in pytest."""

from __future__ import annotations

import re

import ml_dtypes
import numpy as np
import pytest

from pytriton_plugins.model.tensors import BYTES, NUMERIC, STR, as_dtype, bfloat16
from pytriton_plugins.testing import RunningHost
from tests.support.docs.blocks import ROOT
from tests.support.docs.calls import post_json
from tests.support.traffic.clients import PROTOCOLS, Arrays, attempt, texts

PAGE = (ROOT / "docs/reference/data-types.md").read_text()
ROWS = re.findall(r"^\| ([A-Z]+\d*) \| `(\w+)`(?:, each a `(\w+)`)? \| (.*) \|$", PAGE, re.MULTILINE)
NAMES = {"np": np, "ml_dtypes": ml_dtypes}


def test_the_table_has_each_type_once() -> None:
    every = [*NUMERIC, bfloat16(), BYTES, STR]
    written = [(dtype.triton, dtype.numpy.name, dtype.python.__name__ if dtype.python else "") for dtype in every]
    assert [row[:3] for row in ROWS] == written


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]}-{row[2]}")
def test_each_declared_type_matches_its_row(row: tuple[str, str, str, str]) -> None:
    triton, array, element, declared = row
    for code in re.findall(r"`([^`]+)`", declared):
        dtype = as_dtype(eval(code, dict(NAMES)))
        python = dtype.python.__name__ if dtype.python else ""
        assert (dtype.triton, dtype.numpy.name, python) == (triton, array, element), code


def test_numbers_are_no_booleans(host: RunningHost) -> None:
    status, answer = post_json(host, "masked", {"x": ("FP32", [[1, 2]]), "keep": ("BOOL", [[1, 0]])})
    assert (status >= 400, "as boolean" in answer["error"]) == (True, True)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_another_type_is_refused(host: RunningHost, protocol: str) -> None:
    sent: Arrays = {"x": np.ones((1, 2), np.float32), "keep": np.ones((1, 2), np.uint8)}
    refused = attempt(host, protocol, "masked", sent)
    assert refused.status in ("400", "StatusCode.INVALID_ARGUMENT")
    assert "data-type is 'UINT8', but model 'masked' expects 'BOOL'" in refused.error


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_any_bytes_come_and_go(host: RunningHost, protocol: str) -> None:
    answer = attempt(host, protocol, "hexed", {"data": texts(b"\xff\x00", b""), "mark": texts("é")}).outputs
    assert (answer["hexed"].tolist(), answer["marked"].tolist()) == (
        [[b"ff00", b""]],
        [["é".encode() + b"\xff\x00", "é".encode()]],
    )


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_special_numbers_pass(host: RunningHost, protocol: str) -> None:
    x = np.array([[np.inf], [-np.inf], [np.nan]], np.float16)
    ones = np.ones((3, 1), np.float32)
    answer = attempt(host, protocol, "weighted", {"x": x, "weights": ones, "bias": np.zeros((3, 1))}).outputs
    for name in ("half", "single", "double"):
        assert str(answer[name].ravel().tolist()) == "[inf, -inf, nan]"
