"""The form of a marked callable: its kind, how it answers, and what its parameters get."""

from __future__ import annotations

import collections.abc
import functools
import inspect
import keyword
import re
import types
import typing
from collections.abc import Iterable
from typing import Any, NamedTuple, NoReturn

from pytriton_plugins.errors import DeclarationError
from pytriton_plugins.model.annotations import EXAMPLE, resolved_annotation
from pytriton_plugins.model.call_rules import STRICT, CallRules
from pytriton_plugins.model.context import Context, Request
from pytriton_plugins.model.declaration import Answers, Kind
from pytriton_plugins.model.tensors import Tensor

Parameters = list[inspect.Parameter]


class Form(NamedTuple):
    """The function that is called with the inputs, and its parameters.

    ``parameters`` are those that take inputs. ``context`` and ``requests`` are the names of the parameters that get a
    `Context` and the list of requests, empty for none. ``settings`` are those of `ModelDeclaration`.
    """

    kind: Kind
    answers: Answers
    function: Any
    parameters: Parameters
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


def form_of_any(where: str, target: Any, rules: CallRules = STRICT) -> Form:
    """The form of anything that can be called, with its object: a bound method, an instance, a partial, a lambda.

    Raises DeclarationError as `form_of` does.
    """
    if isinstance(target, type):
        refuse(where, f"it is a class; write an instance: {target.__name__}()")
    if not callable(target):
        refuse(where, f"{type(target).__name__} is not callable; write a function, or an object with __call__")
    function, bound = _underlying(target)
    try:
        signature = inspect.signature(target)
    except (TypeError, ValueError):
        refuse(where, "Python does not know its parameters; write a function that calls it, with a name for each input")
    parameters = [each for each in signature.parameters.values() if each.name not in bound]
    return _form(where, "function", function, parameters, signature.return_annotation, {}, rules)


def _underlying(target: Any) -> tuple[Any, frozenset[str]]:
    """The function that runs in the end, and the keywords that partials have given already."""
    bound: frozenset[str] = frozenset()
    while isinstance(target, functools.partial):
        bound |= target.keywords.keys()
        target = target.func
    if not isinstance(target, (types.FunctionType, types.MethodType, types.BuiltinFunctionType)):
        target = getattr(type(target), "__call__", target)  # noqa: B004
    return getattr(target, "__func__", target), bound


def without_defaults(parameters: Parameters, inputs: Iterable[Tensor]) -> Parameters:
    """The parameters that take an input or have to: those with a default that no input goes to keep it."""
    args = {tensor.arg for tensor in inputs}
    return [each for each in parameters if each.name in args or each.default is inspect.Parameter.empty]


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
    """The parameters of the class, and whether each is required; None where the signature does not tell."""
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
        refuse(where, f"{name} is not a method; write def {name}(self), or give it another name")
    if inspect.iscoroutinefunction(method) and not may_be_async:
        hint = ", or make __call__ async too" if name == "close" else ""
        refuse(where, f"{name}() is async; write a plain def {name}(self){hint}")


def _function_form(where: str, kind: Kind, function: Any, skip: int, settings: dict[str, bool] | None) -> Form:
    signature = inspect.signature(function)
    parameters = list(signature.parameters.values())[skip:]
    return _form(where, kind, function, parameters, signature.return_annotation, settings)


def _form(
    where: str,
    kind: Kind,
    function: Any,
    parameters: Parameters,
    returned: Any,
    settings: dict[str, bool] | None,
    rules: CallRules = STRICT,
) -> Form:
    _check_kinds(where, parameters)
    context, requests = _context_and_requests(where, function, parameters)
    inputs = [parameter for parameter in parameters if parameter.name not in (context, requests)]
    answers = _answers(function)
    if requests:
        _check_requests(where, answers, requests, inputs, rules)
    return Form(kind, answers, function, inputs, context, requests, returned, settings)


def _answers(function: Any) -> Answers:
    if inspect.isasyncgenfunction(function):
        return "async_stream"
    if inspect.isgeneratorfunction(function):
        return "stream"
    return "async" if inspect.iscoroutinefunction(function) else "plain"


def _in_class_body(marked: Any) -> bool:
    outer = getattr(marked, "__qualname__", "").rpartition(".")[0]
    return bool(outer) and not outer.endswith("<locals>")


# Parameters


def _check_kinds(where: str, parameters: Parameters) -> None:
    """Inputs are passed by name: no ``/`` and no ``*args``."""
    for parameter in parameters:
        if parameter.kind is inspect.Parameter.POSITIONAL_ONLY:
            refuse(where, f"parameter {parameter.name!r} is positional-only; inputs come by name, remove the /")
        if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            refuse(
                where,
                f"parameter {parameter.name!r} with * gets nothing: inputs come by name; write **inputs to take all",
            )


def _context_and_requests(where: str, function: Any, parameters: Parameters) -> tuple[str, str]:
    """The names of the parameters that are annotated ``Context`` and ``list[Request]``; empty where there is none."""
    named = [each for each in parameters if each.kind is not inspect.Parameter.VAR_KEYWORD]
    hints = {each.name: resolved_annotation(where, function, each) for each in named}
    contexts = [name for name, hint in hints.items() if _is_context(hint)]
    lists = [name for name, hint in hints.items() if _is_request_list(hint)]
    for names, kind in ((contexts, "Context"), (lists, "list[Request]")):
        if len(names) > 1:
            refuse(where, f"parameters {' and '.join(names)} are both {kind}; keep one of them")
    for name, hint in hints.items():
        if hint is Request or (Request in typing.get_args(hint) and name not in lists):
            refuse(where, f"parameter {name!r} is not a list of requests; write {name}: list[Request]")
    return next(iter(contexts), ""), next(iter(lists), "")


def _is_context(hint: Any) -> bool:
    """Also ``Context | None``, for callables that are called without one elsewhere."""
    return hint is Context or set(typing.get_args(hint)) == {Context, type(None)}


def _is_request_list(hint: Any) -> bool:
    return typing.get_origin(hint) in (list, collections.abc.Sequence) and typing.get_args(hint) == (Request,)


def _check_requests(where: str, answers: Answers, requests: str, others: Parameters, rules: CallRules) -> None:
    if others:
        refuse(
            where,
            f"parameter {others[0].name!r} stands beside {requests}: list[Request], which holds the inputs; remove it",
        )
    if answers in ("stream", "async_stream") and not rules.any_form:
        refuse(where, "a generator answers one request at a time; take the inputs by name instead of list[Request]")


def check_inputs(where: str, inputs: Iterable[Tensor], parameters: Parameters, context: str = "") -> None:
    """Each input reaches one parameter, each parameter is an input, and optional inputs have a default.

    ``context``: the parameter that gets a `Context`, which is not among ``parameters``.
    """
    takes_all = any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters)
    named = {each.name: each for each in parameters if each.kind is not inspect.Parameter.VAR_KEYWORD}
    by_arg: dict[str, Tensor] = {}
    for tensor in inputs:
        if tensor.arg in by_arg:
            refuse(
                where,
                f"inputs {by_arg[tensor.arg].name!r} and {tensor.name!r} both go to parameter {tensor.arg!r}; "
                "give one of them another arg=",
            )
        by_arg[tensor.arg] = tensor
        if tensor.arg == context:
            refuse(
                where,
                f"input {tensor.name!r} and the Context both go to parameter {context!r}; rename the parameter",
            )
        _check_input(where, tensor, named.get(tensor.arg), takes_all)
    for name in named:
        if name not in by_arg:
            refuse(where, _not_an_input(name, by_arg))


def _check_input(where: str, tensor: Tensor, parameter: inspect.Parameter | None, takes_all: bool) -> None:
    if parameter is None:
        if not takes_all:
            refuse(where, _not_taken(tensor))
    elif tensor.optional and parameter.default is inspect.Parameter.empty:
        refuse(where, f"input {tensor.name!r} is optional and its parameter has no default; write {tensor.arg}=None")


def _not_taken(tensor: Tensor) -> str:
    if tensor.arg.isidentifier() and not keyword.iskeyword(tensor.arg):
        return f"no parameter takes input {tensor.name!r}; add a parameter {tensor.arg}, or **inputs"
    source = "arg" if tensor.arg != tensor.name else "name"
    proposal = re.sub(r"\W", "_", tensor.arg, flags=re.ASCII).strip("_")
    if keyword.iskeyword(proposal) or not proposal.isidentifier():
        proposal = f"x_{proposal}"
    return (
        f"the {source} {tensor.arg!r} of input {tensor.name!r} cannot be a parameter; "
        f'write Tensor({tensor.name!r}, …, arg="{proposal}"), or take **inputs'
    )


def _not_an_input(name: str, by_arg: dict[str, Tensor]) -> str:
    if not by_arg:
        return f"parameter {name!r} is not an input; write {name}: {EXAMPLE}, or inputs=[Tensor({name!r}, …)]"
    return f"parameter {name!r} is not an input (inputs: {', '.join(by_arg)}); declare it as one or remove it"


def refuse(where: str, problem: str) -> NoReturn:
    """Raise DeclarationError about the callable at ``where``; ``problem`` says what is wrong and what to write."""
    raise DeclarationError(f"{where}: {problem}")
