"""A look among the models of a daemon asks about each of them once, whatever leads to it."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np

from pytriton_plugins import Tensor
from pytriton_plugins.host.supervision.served import ServedModels
from pytriton_plugins.model.callee import Callee
from pytriton_plugins.model.declaration import ModelDeclaration

BASE = ModelDeclaration("m", 1, "function", "m", (Tensor("x", np.int32, ()),), (Tensor("y", np.int32, ()),))
LAYERS = 16


class Model:
    """A model whose status asks for those that it calls, as a supervisor's does."""

    is_served = True

    def __init__(self, served: ServedModels, name: str, *calls: str) -> None:
        self.name = name
        self.declaration = replace(BASE, name=name, calls=tuple(Callee(each, 0) for each in calls))
        self.asked = 0
        self._served = served

    def status(self) -> Any:
        self.asked += 1
        return SimpleNamespace(reason=self._served.call_problem(self.declaration))


def served_models(models: dict[tuple[str, int], Any]) -> ServedModels:
    return ServedModels(SimpleNamespace(), models, SimpleNamespace(models={}))  # type: ignore[arg-type]


def test_diamonds_of_calls() -> None:
    """Two models a layer call both below: 32768 ways lead to the lowest."""
    models: dict[tuple[str, int], Any] = {}
    served = served_models(models)
    for layer in range(LAYERS):
        for side in "ab":
            below = [f"{other}{layer - 1}" for other in "ab"] if layer else []
            models[f"{side}{layer}", 1] = Model(served, f"{side}{layer}", *below)
    for turn in (1, 2):
        assert served.why_not(f"a{LAYERS - 1}") == ""
        assert max(model.asked for model in models.values()) == turn


def test_a_cycle() -> None:
    models: dict[tuple[str, int], Any] = {}
    served = served_models(models)
    models["a", 1], models["b", 1] = Model(served, "a", "b"), Model(served, "b", "a")
    reason = "calls b, which is not served: calls a, which is not served: it calls itself over other models"
    assert [served.why_not("a"), served.why_not("a")] == [reason, reason]
