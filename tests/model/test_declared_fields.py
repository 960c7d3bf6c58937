"""Declarations of other processes: every field has its type and range, whoever wrote it."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from pytriton_plugins import Tensor
from pytriton_plugins.errors import DeclarationError
from pytriton_plugins.model.callee import Callee
from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.model.declared_fields import read_declaration

X = {"name": "x", "dtype": "FP32", "text": False, "shape": [-1], "optional": False, "arg": "x"}
PLAIN = ModelDeclaration(
    "m", 1, "function", "f", (Tensor("x", np.float32, (-1,)),), (Tensor("y", np.float32, ()),), timeout=0.5
).to_json()

TIMEOUTS: list[Any] = [1e12, -1, "1", None, True, 1e-9, float("inf"), float("nan")]
SETTINGS: list[Any] = [3, ["a"], {"a": 1}, {"\udfff": True}]
CONFIGS: list[Any] = [None, [], "x", {"parameters": {"\ud800": 1}}, {"x": float("nan")}]
TENSORS: list[Any] = [None, 3, "x", [3], [{}], [X, X], {"x": X}]
FORMATS: list[Any] = ["NHWC", "nhwc", "", 3, []]
LABELS: list[Any] = ["/etc/hostname", "labels.txt", 3, [], [1], ["a\nb"], {"a": 1}]
TEXTS: list[Any] = [1, None, ["x"], "\ud800"]
CALLS: list[Any] = [None, "m", {"a": 1}, [3], ["ab"], [["a"], 3], [["a", "1"]], [["a", -1]], [["a", True]], [["", 0]]]
CALLS += [[["a\nb", 0]], [["a", 0], ["a", 0]], [["m", 0]], [["m", 1]], [["a", 1, 2]], [[]], [["x" * 256, 0]]]
SEQUENCE: dict[str, Any] = {"max_idle": 60.0, "max_live": 256, "strategy": "direct"}
IDLE: list[Any] = [0, "1", None, True, float("inf"), float("nan"), 1e9]
LIVE: list[Any] = [0, 1.5, True, "1", 65537]
SEQUENCES: list[dict[str, Any]] = [
    *[{"max_idle": value} for value in IDLE],
    *[{"max_live": value} for value in LIVE],
    *[{"strategy": value} for value in ("newest", None)],
    {"more": 1},
]
WRONG: list[dict[str, Any]] = [
    *[{"version": value} for value in (0, 1.0, True, "1", 2**31, None)],
    *[{"slots": value} for value in (2.0, 0, 257, True, "2")],
    *[{"workers": value} for value in (0, 1.5, 2**31)],
    *[{"max_batch_size": value} for value in (-1, 64.0, 2**31, None)],
    *[{"timeout": value} for value in TIMEOUTS],
    *[{key: value} for key in ("name", "object_name", "context", "requests") for value in TEXTS],
    *[{key: value} for key in ("retry_alone", "equal_shapes", "lenient") for value in (1, "yes", None)],
    {"kind": "lambda"},
    {"kind": ["function"]},
    {"answers": "often"},
    *[{"settings": value} for value in SETTINGS],
    *[{"triton_config": value} for value in CONFIGS],
    *[{side: value} for side in ("inputs", "outputs") for value in TENSORS],
    {"outputs": [{**X, "optional": True}]},
    {"inputs": [{**X, "labels": ["a"]}]},
    *[{"outputs": [{**X, "labels": value}]} for value in LABELS],
    *[{"inputs": [{**X, "format": value}]} for value in FORMATS],
    {"outputs": [{**X, "shape": [8, 8, 3], "format": "NHWC"}]},
    *[
        {"inputs": [{**X, key: value}]}
        for key, values in {
            "name": (None, "", 3, "\ud800", "a\nb"),
            "dtype": ("FP33", None, 11, []),
            "shape": (None, 3, [1.0], [0], [-2], [2**63], [1] * 8, ["1"], [True]),
            "optional": (0, None, "no"),
            "arg": (3, "", "\ud800"),
        }.items()
        for value in values
    ],
    *[{"context": "ctx", "calls": value} for value in CALLS],
    {"context": "", "calls": [["a", 0]]},
    *[{"sequence": {**SEQUENCE, **change}} for change in SEQUENCES],
    {"sequence": 1},
    {"more": 1},
]


def test_calls_are_read_as_they_were_sent() -> None:
    plain = {**PLAIN, "context": "ctx", "calls": [["a", 0], ["a.b c", 2], ["m", 2]]}
    declaration = read_declaration(json.loads(json.dumps(plain)))
    assert declaration.calls == (Callee("a"), Callee("a.b c", 2), Callee("m", 2))
    assert declaration.to_json() == plain


def test_a_package_without_calls_declares_none() -> None:
    assert read_declaration({key: value for key, value in PLAIN.items() if key != "calls"}).calls == ()


def test_an_honest_one_is_read() -> None:
    assert read_declaration(json.loads(json.dumps(PLAIN))).to_json() == PLAIN


def test_one_with_a_sequence_is_read() -> None:
    plain = {**PLAIN, "sequence": SEQUENCE}
    assert read_declaration(json.loads(json.dumps(plain))).to_json() == plain


@pytest.mark.parametrize("changes", WRONG, ids=range(len(WRONG)))
def test_a_field_that_no_callable_has_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises((ValueError, TypeError, KeyError, AttributeError, DeclarationError)):
        read_declaration({**PLAIN, **changes})


@pytest.mark.parametrize("plain", [None, [], "x", 3, {}])
def test_a_declaration_that_is_not_an_object_with_all_fields_is_refused(plain: Any) -> None:
    with pytest.raises((ValueError, TypeError, KeyError, AttributeError, DeclarationError)):
        read_declaration(plain)
