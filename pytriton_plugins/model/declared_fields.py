"""Reads a declaration that another process has sent: the type and the range of each field are checked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, get_args

from pytriton_plugins.model.callee import Callee, callees_problem, is_callee_name
from pytriton_plugins.model.declaration import (
    INT32,
    MAX_SLOTS,
    MAX_TIMEOUT,
    Answers,
    Kind,
    ModelDeclaration,
)
from pytriton_plugins.model.tensor_sides import side_problem

if TYPE_CHECKING:
    from pytriton_plugins.model.tensors import Tensor

_WHOLE = {"version": (1, INT32), "max_batch_size": (0, INT32), "workers": (1, INT32), "slots": (1, MAX_SLOTS)}
_TEXTS = ("name", "object_name", "context", "requests")
_TRUTHS = ("retry_alone", "equal_shapes", "lenient")


def read_declaration(plain: Any) -> ModelDeclaration:
    """The declaration that another process has sent; raises an error for one that no callable of this version has.

    The error is a ValueError, TypeError, KeyError, AttributeError or DeclarationError.
    """
    json.dumps(plain, ensure_ascii=False, allow_nan=False).encode()  # a text may hold what UTF-8 cannot
    model = ModelDeclaration.from_json(plain)
    for name, is_valid in _checks(model):
        if not is_valid:
            raise ValueError(f"invalid {name} {getattr(model, name)!r}")
    return model


def _checks(model: ModelDeclaration) -> Iterator[tuple[str, bool]]:
    """The name of each field, and whether its value is one that `infer_func` writes."""
    for name, (least, most) in _WHOLE.items():
        value = getattr(model, name)
        yield name, type(value) is int and least <= value <= most
    for name in _TEXTS:
        yield name, type(getattr(model, name)) is str
    for name in _TRUTHS:
        yield name, type(getattr(model, name)) is bool
    yield "kind", model.kind in get_args(Kind)
    yield "answers", model.answers in get_args(Answers)
    yield "timeout", _is_timeout(model.timeout)
    yield "settings", model.settings is None or _are_settings(model.settings)
    yield "triton_config", type(model.triton_config) is dict
    yield "calls", _are_callees(model)
    yield "inputs", _are_tensors("input", model.inputs)
    yield "outputs", _are_tensors("output", model.outputs)


def _is_timeout(value: object) -> bool:
    return type(value) in (int, float) and (value == 0 or 0.001 <= value <= MAX_TIMEOUT)  # type: ignore[operator]


def _are_settings(value: object) -> bool:
    return type(value) is dict and all(type(needed) is bool for needed in value.values())


def _are_callees(model: ModelDeclaration) -> bool:
    if not all(_is_callee(callee) for callee in model.calls):
        return False
    has_context = bool(model.context) or not model.calls
    return has_context and not callees_problem(model.calls, model.name, model.version)


def _is_callee(callee: Callee) -> bool:
    return is_callee_name(callee.name) and type(callee.version) is int and 0 <= callee.version <= INT32


def _are_tensors(side: str, tensors: tuple[Tensor, ...]) -> bool:
    return all(tensor.name for tensor in tensors) and not side_problem(side, tensors)
