"""Checks that the parameters of a marked callable fit its inputs; runs in author modules when a callable is marked."""

from __future__ import annotations

import collections.abc
import inspect
import keyword
import re
import typing
from collections.abc import Iterable
from typing import Any

from pytriton_plugins.errors import DeclarationError
from pytriton_plugins.model.annotations import EXAMPLE, meaning_of
from pytriton_plugins.model.context import Context, Request
from pytriton_plugins.model.tensors import Tensor

Parameters = list[inspect.Parameter]


def check_kinds(where: str, parameters: Parameters) -> None:
    """Inputs are passed by name: no ``/`` and no ``*args``."""
    for parameter in parameters:
        place = f"{where}: parameter {parameter.name!r}"
        if parameter.kind is inspect.Parameter.POSITIONAL_ONLY:
            raise DeclarationError(f"{place} is positional-only; inputs come by name, remove the /")
        if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            raise DeclarationError(
                f"{place} with * gets nothing, for inputs come by name; write **inputs to take them all"
            )


def special(where: str, function: Any, parameters: Parameters) -> tuple[str, str]:
    """The names of the parameters that are annotated ``Context`` and ``list[Request]``; empty where there is none."""
    named = [each for each in parameters if each.kind is not inspect.Parameter.VAR_KEYWORD]
    meanings = {each.name: meaning_of(where, function, each) for each in named}
    contexts = [name for name, meaning in meanings.items() if _is_context(meaning)]
    lists = [name for name, meaning in meanings.items() if _holds_requests(meaning)]
    for found, kind in ((contexts, "Context"), (lists, "list[Request]")):
        if len(found) > 1:
            raise DeclarationError(f"{where}: parameters {' and '.join(found)} are both {kind}; keep one of them")
    for name, meaning in meanings.items():
        if meaning is Request or (Request in typing.get_args(meaning) and name not in lists):
            raise DeclarationError(f"{where}: parameter {name!r} is no list of requests; write {name}: list[Request]")
    return next(iter(contexts), ""), next(iter(lists), "")


def _is_context(meaning: Any) -> bool:
    """Also ``Context | None``, for callables that are called without one elsewhere."""
    return meaning is Context or set(typing.get_args(meaning)) == {Context, type(None)}


def _holds_requests(meaning: Any) -> bool:
    return typing.get_origin(meaning) in (list, collections.abc.Sequence) and typing.get_args(meaning) == (Request,)


def check_inputs(where: str, inputs: Iterable[Tensor], parameters: Parameters, context: str = "") -> None:
    """Each input reaches one parameter, each parameter is an input, and optional inputs have a default.

    ``context``: the parameter that gets a `Context`, which is none of ``parameters``.
    """
    takes_all = any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters)
    named = {each.name: each for each in parameters if each.kind is not inspect.Parameter.VAR_KEYWORD}
    args: dict[str, Tensor] = {}
    for tensor in inputs:
        if tensor.arg in args:
            raise DeclarationError(
                f"{where}: inputs {args[tensor.arg].name!r} and {tensor.name!r} both go to parameter {tensor.arg!r}; "
                "give one of them another arg="
            )
        args[tensor.arg] = tensor
        if tensor.arg == context:
            raise DeclarationError(
                f"{where}: input {tensor.name!r} and the Context both go to parameter {context!r}; rename the parameter"
            )
        _check_input(where, tensor, named.get(tensor.arg), takes_all)
    for name in named:
        if name not in args:
            raise DeclarationError(_no_input(where, name, args))


def _check_input(where: str, tensor: Tensor, parameter: inspect.Parameter | None, takes_all: bool) -> None:
    if parameter is None:
        if not takes_all:
            raise DeclarationError(_not_taken(where, tensor))
    elif tensor.optional and parameter.default is inspect.Parameter.empty:
        raise DeclarationError(
            f"{where}: input {tensor.name!r} is optional and its parameter has no default; write {tensor.arg}=None"
        )


def _not_taken(where: str, tensor: Tensor) -> str:
    if tensor.arg.isidentifier() and not keyword.iskeyword(tensor.arg):
        return f"{where}: no parameter takes input {tensor.name!r}; add a parameter {tensor.arg}, or **inputs"
    said = "arg" if tensor.arg != tensor.name else "name"
    proposal = re.sub(r"\W", "_", tensor.arg, flags=re.ASCII).strip("_")
    if keyword.iskeyword(proposal) or not proposal.isidentifier():
        proposal = f"x_{proposal}"
    return (
        f"{where}: the {said} {tensor.arg!r} of input {tensor.name!r} cannot be a parameter; "
        f'write Tensor({tensor.name!r}, …, arg="{proposal}"), or take **inputs'
    )


def _no_input(where: str, name: str, args: dict[str, Tensor]) -> str:
    if not args:
        return f"{where}: parameter {name!r} is no input; write {name}: {EXAMPLE}, or inputs=[Tensor({name!r}, …)]"
    return f"{where}: parameter {name!r} is no input (inputs: {', '.join(args)}); declare it as one or remove it"
