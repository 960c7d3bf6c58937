"""The declaration of a callable that is attached: any callable, marked or not."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pytriton_plugins.model.call_rules import STRICT, CallRules
from pytriton_plugins.model.call_settings import Settings
from pytriton_plugins.model.callable_form import form_of_any, refuse
from pytriton_plugins.model.callee import callees_problem
from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.model.infer_func import declaration_from, declaration_of

Attachable = Any
"""A callable, or a list of them: the workers of one model."""


def callables_of(where: str, target: Attachable) -> list[Any]:
    """The callable of each worker, in their order; raises DeclarationError for an empty list."""
    if not isinstance(target, (list, tuple)):
        return [target]
    if not target:
        refuse(where, "the list of callables is empty; write a callable for each worker")
    return list(target)


def declared(
    where: str,
    target: Attachable,
    settings: Settings,
    inputs: Sequence[Any] | None,
    outputs: Sequence[Any] | None,
    rules: CallRules = STRICT,
) -> ModelDeclaration:
    """The declaration of all callables in ``target``; raises DeclarationError if they differ in more than their names.

    A marked callable brings its own, which nothing but a name and a version may change.
    """
    callables = callables_of(where, target)
    found = [_declared(where, each, settings, inputs, outputs, rules) for each in callables]
    first = replace(found[0], workers=len(callables) if len(callables) > 1 else found[0].workers)
    for index, other in enumerate(found):
        if replace(other, object_name="", workers=1) != replace(first, object_name="", workers=1):
            refuse(where, f"callable {index} of the list has another form than callable 0; write all alike")
    return first


def _declared(
    where: str, target: Any, settings: Settings, inputs: Any, outputs: Any, rules: CallRules
) -> ModelDeclaration:
    own = declaration_of(target) or declaration_of(type(target))
    if own is not None and inputs is None and outputs is None:
        return _renamed(where, own, settings)
    form = form_of_any(where, target, rules)
    name = _name_of(target)
    if settings.name is None and not name.isidentifier():
        refuse(where, f'{name} is not a name for a model; write name="my_model"')
    return declaration_from(where, form, name, settings, inputs, outputs, defaults=True, rules=rules)


def _renamed(where: str, own: ModelDeclaration, settings: Settings) -> ModelDeclaration:
    name = own.name if settings.name is None else settings.name
    version = own.version if settings.version == 1 else settings.version
    if problem := callees_problem(own.calls, name, version):
        refuse(where, problem)
    return replace(own, name=name, version=version, kind="function", settings={})


def _name_of(target: Any) -> str:
    while isinstance(target, functools.partial):
        target = target.func
    return getattr(target, "__name__", None) or type(target).__name__


def where_of(target: Attachable) -> str:
    """The beginning of messages about ``target``."""
    if isinstance(target, (list, tuple)):
        return f"attach(a list of {len(target)} callables)"
    return f"attach({getattr(target, '__qualname__', None) or _name_of(target)})"
