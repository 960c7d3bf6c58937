"""The tensors of a marked callable: those listed in `@infer_func`, or those of its annotations."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any, NamedTuple

from pytriton_plugins.model.annotations import (
    EXAMPLE,
    OUTPUT_EXAMPLE,
    mentions_tensor,
    parameter_tensor,
    return_tensors,
)
from pytriton_plugins.model.call_rules import CallRules
from pytriton_plugins.model.callable_form import Form, check_inputs, refuse, without_defaults
from pytriton_plugins.model.tensor_sides import side_problem
from pytriton_plugins.model.tensors import Tensor


class Tensors(NamedTuple):
    """The tensors of a callable."""

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]


def tensors_of(where: str, form: Form, inputs: Any, outputs: Any, rules: CallRules, *, defaults: bool) -> Tensors:
    """The tensors of a callable of this form, which has a parameter for each input; raises DeclarationError.

    ``defaults``: parameters that are not inputs may keep their defaults.
    """
    found = Tensors(
        () if rules.any_form and _is_empty(inputs) else _input_tensors(where, form, inputs),
        () if rules.any_form and _is_empty(outputs) else _output_tensors(where, form, outputs),
    )
    if not form.requests:
        parameters = without_defaults(form.parameters, found.inputs) if defaults else form.parameters
        check_inputs(where, found.inputs, parameters, form.context)
    return found


def _is_empty(listed: Any) -> bool:
    return isinstance(listed, (list, tuple)) and not listed


def _input_tensors(where: str, form: Form, listed: Any) -> tuple[Tensor, ...]:
    if listed is None and form.requests:
        refuse(where, 'list[Request] does not name the inputs; write inputs=[Tensor("image", np.uint8, (-1,)), …]')
    if listed is not None:
        for parameter in form.parameters:
            if mentions_tensor(form.function, parameter.annotation):
                refuse(
                    where,
                    f"parameter {parameter.name!r} is annotated with a Tensor beside inputs=; keep one of the two",
                )
        return _checked(where, "input", _listed(where, "inputs", listed))
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in form.parameters):
        refuse(where, '**inputs does not name the inputs; write inputs=[Tensor("image", np.uint8, (-1,)), …]')
    found = [parameter_tensor(where, form.function, parameter) for parameter in form.parameters]
    tensors = [tensor for tensor in found if tensor]
    if found and not tensors:
        first = form.parameters[0].name
        refuse(
            where, f'it has no inputs; write inputs=[Tensor("{first}", np.float32, (-1,)), …], or {first}: {EXAMPLE}'
        )
    return _checked(where, "input", tensors)


def _output_tensors(where: str, form: Form, listed: Any) -> tuple[Tensor, ...]:
    if listed is None:
        return _checked(where, "output", return_tensors(where, form.function, form.returned))
    if mentions_tensor(form.function, form.returned):
        refuse(where, "the return value is annotated with a Tensor beside outputs=; keep one of the two")
    return _checked(where, "output", _listed(where, "outputs", listed))


def _listed(where: str, side: str, listed: Any) -> Sequence[Tensor]:
    if not isinstance(listed, (list, tuple)):
        refuse(where, f"{side}= is a {type(listed).__name__}; write a list: {side}=[Tensor(…), …]")
    for item in listed:
        if not isinstance(item, Tensor):
            refuse(where, f'{side}= holds {item!r}; write Tensor("image", np.uint8, (-1, -1, 3))')
        if not item.name:
            refuse(where, f'a Tensor in {side}= has no name; write it first: Tensor("image", …)')
    return listed


def _checked(where: str, side: str, tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
    if not tensors:
        hint = f", or annotate the return value: -> {OUTPUT_EXAMPLE}" if side == "output" else ""
        refuse(where, f'it has no {side}s; write {side}s=[Tensor("{side}", np.float32, (-1,))]{hint}')
    problem = side_problem(side, tensors)
    if problem:
        refuse(where, problem)
    return tuple(tensors)
