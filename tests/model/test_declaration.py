"""A declaration does not change when it is sent as JSON from the worker to the daemon."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from pytriton_plugins import Tensor
from pytriton_plugins.model.declaration import Answers, ModelDeclaration
from pytriton_plugins.model.tensors import NUMERIC

FULL = ModelDeclaration(
    name="images",
    version=3,
    kind="class",
    object_name="Images",
    inputs=(
        Tensor("images:0", np.uint8, (-1, -1, 3), arg="images", format="NHWC"),
        Tensor("caption", str, (), optional=True),
        Tensor("raw", bytes, (2,)),
    ),
    outputs=(
        *(Tensor(f"out{dtype.code}", dtype, (-1,)) for dtype in NUMERIC),
        Tensor("scores", np.float32, (3,), labels=["cat", "ü", "cat"]),
    ),
    max_batch_size=0,
    workers=2,
    retry_alone=False,
    answers="async",
    slots=8,
    context="ctx",
    requests="requests",
    triton_config={"response_cache": {"enable": True}},
)
SMALL = ModelDeclaration("a", 1, "function", "a", (Tensor("x", bool, ()),), (Tensor("y", np.float16, (1,)),))


@pytest.mark.parametrize("declaration", [FULL, SMALL], ids=["full", "small"])
def test_a_declaration_survives_json(declaration: ModelDeclaration) -> None:
    assert ModelDeclaration.from_json(json.loads(json.dumps(declaration.to_json()))) == declaration


def test_the_json_form() -> None:
    assert SMALL.to_json() == {
        "name": "a",
        "version": 1,
        "kind": "function",
        "object_name": "a",
        "inputs": [{"name": "x", "dtype": "BOOL", "text": False, "shape": [], "optional": False, "arg": "x"}],
        "outputs": [{"name": "y", "dtype": "FP16", "text": False, "shape": [1], "optional": False, "arg": "y"}],
        "max_batch_size": 64,
        "workers": 1,
        "retry_alone": True,
        "timeout": 0.0,
        "answers": "plain",
        "slots": 1,
        "context": "",
        "requests": "",
        "settings": None,
        "triton_config": {},
        "equal_shapes": False,
        "lenient": False,
        "calls": [],
        "sequence": None,
    }


@pytest.mark.parametrize(
    ("answers", "is_async", "streams"),
    [("plain", False, False), ("async", True, False), ("stream", False, True), ("async_stream", True, True)],
)
def test_each_form_has_its_properties(answers: Answers, is_async: bool, streams: bool) -> None:
    declaration = replace(SMALL, answers=answers)
    assert (declaration.is_async, declaration.streams) == (is_async, streams)


@pytest.mark.parametrize(("context", "requests"), [("", ""), ("ctx", ""), ("", "requests"), ("ctx", "requests")])
def test_a_context_or_a_list_of_requests_gets_details(context: str, requests: str) -> None:
    declaration = replace(SMALL, context=context, requests=requests)
    assert declaration.takes_requests is bool(requests)
    assert declaration.has_details is bool(context or requests)


def test_a_batch_axis_is_there_unless_the_size_is_zero() -> None:
    assert SMALL.batched
    assert not FULL.batched
