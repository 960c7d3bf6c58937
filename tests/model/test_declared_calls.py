"""`calls=[…]` of `@infer_func`: the models that a callable declares, and the message for each mistake."""

from __future__ import annotations

from types import FunctionType
from typing import Any

import numpy as np
import pytest

from pytriton_plugins import Context, Request, Tensor, infer_func
from pytriton_plugins.errors import DeclarationError
from pytriton_plugins.model.call_settings import Settings
from pytriton_plugins.model.callee import Callee
from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.model.infer_func import declaration_of
from pytriton_plugins.script.calls import declared, where_of

X = Tensor("x", np.float32, ())
Y = Tensor("y", np.float32, ())
WARMUP = {"model_warmup": [{"name": "zeros", "inputs": {"x": {"dims": [1], "zero_data": True}}}]}
ATTACHED = Settings(None, 1, 64, 1, 1, None, True, None, None)


def classify(x: Any, ctx: Context) -> Any:
    return x


def alone(x: Any) -> Any:
    return x


def listed(requests: list[Request], ctx: Context) -> Any:
    return requests


def mark(function: Any = classify, **keywords: Any) -> ModelDeclaration:
    copy = FunctionType(function.__code__, globals(), function.__name__)
    copy.__annotations__ = function.__annotations__
    declaration = declaration_of(infer_func(inputs=[X], outputs=[Y], **keywords)(copy))
    assert declaration is not None
    return declaration


def test_names_and_pairs_are_kept_in_their_order() -> None:
    assert mark(calls=["resnet", ("labels", 2), ("labels", 1), "a model.v1"]).calls == (
        Callee("resnet"),
        Callee("labels", 2),
        Callee("labels", 1),
        Callee("a model.v1"),
    )
    assert mark(listed, calls=("resnet",)).calls == (Callee("resnet"),)
    assert mark(alone, calls=[]).calls == mark(alone).calls == ()


def test_another_version_of_the_model_may_be_called() -> None:
    assert mark(version=2, calls=[("classify", 1)]).calls == (Callee("classify", 1),)


def test_a_name_alone_declares_every_version_and_a_pair_only_its_own() -> None:
    declaration = mark(calls=["resnet", ("labels", 2)])
    assert declaration.declares_call("resnet")
    assert declaration.declares_call("resnet", 3)
    assert declaration.declares_call("labels", 2)
    assert not declaration.declares_call("labels")
    assert not declaration.declares_call("labels", 1)
    assert not declaration.declares_call("other")


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"calls": "resnet"}, 'calls is a str; write a list of model names: calls=["resnet", ("labels", 2)]'),
        ({"calls": {"resnet"}}, 'calls is a set; write a list of model names: calls=["resnet", ("labels", 2)]'),
        ({"calls": [3]}, "calls has 3; write names, or pairs of a name and a version: "),
        ({"calls": [("a", 1, 2)]}, "calls has ('a', 1, 2); write names, or pairs of a name and a version: "),
        ({"calls": [("a", 0)]}, "calls has ('a', 0); write the version as a whole number from 1 up: "),
        ({"calls": [("a", "1")]}, "calls has ('a', '1'); write the version as a whole number from 1 up: "),
        ({"calls": [("a", True)]}, "calls has ('a', True); write the version as a whole number from 1 up: "),
        ({"calls": [""]}, "calls has '', which is not a model name; write the name that clients call: "),
        ({"calls": ["a/b"]}, "calls has 'a/b', which is not a model name; "),
        ({"calls": [(3, 1)]}, "calls has (3, 1), which is not a model name; "),
        ({"calls": ["a", "b", "a"]}, "calls has a twice; remove one"),
        ({"calls": [("a", 1), ("a", 1)]}, "calls has a version 1 twice; remove one"),
        ({"calls": ["classify"]}, "calls has classify, which is the model itself; remove it"),
        ({"calls": [("classify", 1)]}, "calls has classify version 1, which is the model itself; remove it"),
        ({"name": "other", "calls": ["other"]}, "calls has other, which is the model itself; remove it"),
        (
            {"function": alone, "calls": ["a"]},
            "calls needs a parameter that gets the Context, whose models it calls: write ctx: Context, and "
            'ctx.models["a"](…)',
        ),
        (
            {"calls": ["a"], "triton_config": WARMUP},
            "triton_config: model_warmup and calls exclude each other: samples run before other models can be called; "
            "remove one",
        ),
    ],
)
def test_a_mistake_is_one_line_where_it_is_made(keywords: dict[str, Any], message: str) -> None:
    with pytest.raises(DeclarationError) as caught:
        mark(**keywords)
    name = keywords.get("function", classify).__name__
    assert str(caught.value).startswith(f"@infer_func on {name}: {message}")
    assert "\n" not in str(caught.value)


def test_an_attached_callable_declares_calls() -> None:
    settings = ATTACHED._replace(calls=["resnet"])
    assert declared(where_of(classify), classify, settings, [X], [Y]).calls == (Callee("resnet"),)


def test_an_attached_name_that_the_callable_calls_is_refused() -> None:
    @infer_func(inputs=[X], outputs=[Y], calls=["resnet"])
    def marked(x: Any, ctx: Context) -> Any:
        return x

    with pytest.raises(DeclarationError, match="calls has resnet, which is the model itself"):
        declared(where_of(marked), marked, ATTACHED._replace(name="resnet"), None, None)
