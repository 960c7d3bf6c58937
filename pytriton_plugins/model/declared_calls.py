"""The models that a model declares it calls: `calls=[…]` of `@infer_func`."""

from __future__ import annotations

from typing import Any

from pytriton_plugins.model.callable_form import Form, refuse
from pytriton_plugins.model.callee import Callee, callees_problem, is_callee_name
from pytriton_plugins.model.declaration import INT32

_EXAMPLE = 'calls=["resnet", ("labels", 2)]'


def callees_of(where: str, calls: Any, name: str, version: int, form: Form) -> tuple[Callee, ...]:
    """The models in ``calls``, in their order; raises DeclarationError, which begins with ``where``."""
    if calls is None:
        return ()
    if not isinstance(calls, (list, tuple)):
        refuse(where, f"calls is a {type(calls).__name__}; write a list of model names: {_EXAMPLE}")
    callees = tuple(_callee(where, each) for each in calls)
    problem = callees_problem(callees, name, version)
    if problem:
        refuse(where, problem)
    if callees and not form.context:
        refuse(
            where,
            "calls needs a parameter that gets the Context, whose models it calls: write ctx: Context, and "
            f'ctx.models["{callees[0].name}"](…)',
        )
    return callees


def _callee(where: str, given: Any) -> Callee:
    """One item of ``calls``: a name, or a name and a version."""
    if isinstance(given, str):
        name, version = given, 0
    elif isinstance(given, tuple) and len(given) == 2:
        name, version = given
        if type(version) is not int or not 1 <= version <= INT32:
            refuse(where, f"calls has {given!r}; write the version as a whole number from 1 up: {_EXAMPLE}")
    else:
        refuse(where, f"calls has {given!r}; write names, or pairs of a name and a version: {_EXAMPLE}")
    if not is_callee_name(name):
        refuse(where, f"calls has {given!r}, which is not a model name; write the name that clients call: {_EXAMPLE}")
    return Callee(name, version)
