"""What kind of callable is marked, how it answers and what its parameters get; runs in author modules."""

from __future__ import annotations

import inspect
import types
from typing import Any, NamedTuple, NoReturn

from pytriton_plugins.errors import DeclarationError
from pytriton_plugins.model.declaration import Answers, Kind
from pytriton_plugins.model.parameters import Parameters, check_kinds, special


class Form(NamedTuple):
    """What is called with the inputs, and the parameters it takes them in."""

    kind: Kind
    answers: Answers
    function: Any
    parameters: Parameters
    """Those that take inputs."""
    context: str
    requests: str
    returned: Any
    settings: dict[str, bool] | None


def form_of(where: str, marked: Any) -> Form:
    """The form of ``marked``; raises DeclarationError, which begins with ``where``, for what cannot be served."""
    if isinstance(marked, type):
        return _class_form(where, marked)
    if isinstance(marked, (types.MethodType, staticmethod, classmethod)) or _in_class_body(marked):
        refuse(where, "it is a method; mark its class and name the method __call__, or mark a function")
    if not isinstance(marked, types.FunctionType):
        refuse(where, f"it is an instance of {type(marked).__name__}; mark a function or a class")
    return _function_form(where, "function", marked, skip=0, settings={})


def _class_form(where: str, marked: type) -> Form:
    call = next((vars(base)["__call__"] for base in marked.__mro__ if "__call__" in vars(base)), None)
    if call is None:
        refuse(where, "the class has no __call__; write def __call__(self, …) that takes the inputs")
    if not isinstance(call, types.FunctionType):
        refuse(where, f"its __call__ is a {type(call).__name__}; write it as a plain def __call__(self, …)")
    constructor = vars(marked).get("__init__")
    if isinstance(constructor, types.FunctionType):
        for parameter in list(inspect.signature(constructor).parameters.values())[1:]:
            if parameter.kind is inspect.Parameter.POSITIONAL_ONLY:
                refuse(
                    where,
                    f"parameter {parameter.name!r} of __init__ is positional-only; settings come by name, remove the /",
                )
    is_async = inspect.iscoroutinefunction(call) or inspect.isasyncgenfunction(call)
    for optional in ("close", "is_ready"):
        _check_method(where, marked, optional, may_be_async=is_async and optional == "close")
    return _function_form(where, "class", call, skip=1, settings=_settings_of(marked))


def _settings_of(marked: type) -> dict[str, bool] | None:
    """What can be set when the class is made, and whether it must be; None where that cannot be told."""
    try:
        parameters = inspect.signature(marked).parameters.values()
    except ValueError:
        return None
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters):
        return None
    named = [parameter for parameter in parameters if parameter.kind is not inspect.Parameter.VAR_POSITIONAL]
    return {parameter.name: parameter.default is inspect.Parameter.empty for parameter in named}


def _check_method(where: str, marked: type, name: str, *, may_be_async: bool) -> None:
    method = getattr(marked, name, None)
    if method is None:
        return
    if not callable(method):
        refuse(where, f"{name} is no method; write def {name}(self), or give it another name")
    if inspect.iscoroutinefunction(method) and not may_be_async:
        hint = ", or make __call__ async too" if name == "close" else ""
        refuse(where, f"{name}() is async; write a plain def {name}(self){hint}")


def _function_form(where: str, kind: Kind, function: Any, skip: int, settings: dict[str, bool] | None) -> Form:
    signature = inspect.signature(function)
    parameters = list(signature.parameters.values())[skip:]
    check_kinds(where, parameters)
    context, requests = special(where, function, parameters)
    tensors = [parameter for parameter in parameters if parameter.name not in (context, requests)]
    answers = _answering(function)
    if requests:
        _check_requests(where, answers, requests, tensors)
    return Form(kind, answers, function, tensors, context, requests, signature.return_annotation, settings)


def _answering(function: Any) -> Answers:
    if inspect.isasyncgenfunction(function):
        return "async_stream"
    if inspect.isgeneratorfunction(function):
        return "stream"
    return "async" if inspect.iscoroutinefunction(function) else "plain"


def _check_requests(where: str, answers: Answers, requests: str, others: Parameters) -> None:
    if others:
        refuse(where, f"parameter {others[0].name!r} stands beside {requests}: list[Request]; the inputs are in there")
    if answers in ("stream", "async_stream"):
        refuse(where, "what yields answers one request at a time; take the inputs by name instead of list[Request]")


def _in_class_body(marked: Any) -> bool:
    outer = getattr(marked, "__qualname__", "").rpartition(".")[0]
    return bool(outer) and not outer.endswith("<locals>")


def refuse(where: str, problem: str) -> NoReturn:
    """Say what cannot be served of the callable at ``where``, and what to write instead."""
    raise DeclarationError(f"{where}: {problem}")
