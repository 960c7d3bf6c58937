"""`@infer_func`: checks a declaration where it is written and stores it on the callable."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, overload

from pytriton_plugins.errors import DeclarationError, known_keywords
from pytriton_plugins.model.annotations import (
    EXAMPLE,
    OUTPUT_EXAMPLE,
    mentions_tensor,
    parameter_tensor,
    return_tensors,
)
from pytriton_plugins.model.call_rules import STRICT, CallRules
from pytriton_plugins.model.call_settings import Settings, check_settings
from pytriton_plugins.model.callable_form import Form, check_inputs, form_of, refuse, without_defaults
from pytriton_plugins.model.declaration import (
    Answers,
    ModelDeclaration,
    wrong_name,
)
from pytriton_plugins.model.tensors import Tensor

if TYPE_CHECKING:
    from pytriton_plugins.model import sequence as sequences

ASYNC_SLOTS = 8
"""The default ``max_concurrency`` of an async callable."""

_ATTRIBUTE = "__pytriton_declaration__"

Marked = TypeVar("Marked", bound=Callable[..., Any])


@overload
def infer_func(marked: Marked, /) -> Marked: ...


@overload
def infer_func(
    *,
    inputs: Sequence[Tensor] | None = None,
    outputs: Sequence[Tensor] | None = None,
    name: str | None = None,
    version: int = 1,
    max_batch_size: int = 64,
    workers: int = 1,
    threads: int = 1,
    max_concurrency: int | None = None,
    retry_alone: bool = True,
    timeout: float | None = None,
    triton_config: dict[str, Any] | None = None,
    sequence: sequences.Sequence | None = None,
) -> Callable[[Marked], Marked]: ...


@known_keywords("@infer_func", DeclarationError)
def infer_func(
    marked: Any = None,
    /,
    *,
    inputs: Any = None,
    outputs: Any = None,
    name: str | None = None,
    version: int = 1,
    max_batch_size: int = 64,
    workers: int = 1,
    threads: int = 1,
    max_concurrency: int | None = None,
    retry_alone: bool = True,
    timeout: float | None = None,
    triton_config: dict[str, Any] | None = None,
    sequence: sequences.Sequence | None = None,
) -> Any:
    """Mark a function or a class as a model; it stays directly callable.

    Tensors come from ``inputs`` and ``outputs``, or from ``Annotated`` parameters and return values. A batched
    callable gets arrays of shape ``(B, *shape)``; ``max_batch_size=0`` removes the batch axis. A class is instantiated
    once in each worker and its ``__call__`` runs the batches. A generator answers one request at a time, with a
    response for each ``yield``. A plain callable runs in ``threads`` threads of its worker; an ``async`` one has up to
    ``max_concurrency`` batches in flight (8). A call that takes longer than ``timeout`` seconds fails its requests;
    its worker is ended and replaced. ``sequence``: its requests form sequences, each
    with a state in one worker. Raises DeclarationError for a callable that cannot be served.
    """
    settings = Settings(
        name, version, max_batch_size, workers, threads, max_concurrency, retry_alone, timeout, triton_config, sequence
    )

    def mark(marked: Any) -> Any:
        declaration = _declared(marked, settings, inputs, outputs)
        setattr(marked, _ATTRIBUTE, declaration)
        return marked

    if marked is None:
        return mark
    if isinstance(marked, (str, Tensor, Iterable)) and not isinstance(marked, type):
        raise DeclarationError("@infer_func: arguments go by keyword; write @infer_func(inputs=[…], outputs=[…])")
    return mark(marked)


def declaration_of(marked: object) -> ModelDeclaration | None:
    """What `infer_func` stored on ``marked`` itself (a subclass of a marked class is not marked); None otherwise."""
    own = getattr(marked, "__dict__", {}).get(_ATTRIBUTE)
    return own if isinstance(own, ModelDeclaration) else None


def _declared(marked: Any, settings: Settings, inputs: Any, outputs: Any) -> ModelDeclaration:
    where = f"@infer_func on {getattr(marked, '__qualname__', None) or repr(marked)}"
    form = form_of(where, marked)
    if declaration_of(marked):
        refuse(where, "it is already marked; mark each callable once, and write a second function for a second model")
    return declaration_from(where, form, marked.__name__, settings, inputs, outputs)


def declaration_from(
    where: str,
    form: Form,
    object_name: str,
    settings: Settings,
    inputs: Any,
    outputs: Any,
    *,
    defaults: bool = False,
    rules: CallRules = STRICT,
) -> ModelDeclaration:
    """The declaration of a callable of this form; raises DeclarationError, which begins with ``where``.

    ``defaults``: parameters that are not inputs may keep their defaults.
    """
    input_tensors = () if rules.any_form and _is_empty(inputs) else _inputs(where, form, inputs)
    output_tensors = () if rules.any_form and _is_empty(outputs) else _outputs(where, form, outputs)
    if not form.requests:
        parameters = without_defaults(form.parameters, input_tensors) if defaults else form.parameters
        check_inputs(where, input_tensors, parameters, form.context)
    check_settings(where, settings)
    declaration = ModelDeclaration(
        name=_model_name(where, settings.name, object_name),
        version=settings.version,
        kind=form.kind,
        object_name=object_name,
        inputs=input_tensors,
        outputs=output_tensors,
        max_batch_size=settings.max_batch_size,
        workers=settings.workers,
        retry_alone=settings.retry_alone,
        timeout=settings.timeout or 0.0,
        answers=form.answers,
        slots=_slots(where, form.answers, settings),
        context=form.context,
        requests=form.requests,
        settings=form.settings,
        triton_config=dict(settings.triton_config or {}),
        equal_shapes=rules.equal_shapes and bool(form.requests),
        lenient=rules.lenient,
        sequence=settings.sequence,
    )
    if declaration.triton_config or declaration.sequence:
        _check_with_config(where, declaration)
    return declaration


def _is_empty(listed: Any) -> bool:
    return isinstance(listed, (list, tuple)) and not listed


def _check_with_config(where: str, declaration: ModelDeclaration) -> None:
    # Imported here: only the few models with a configuration pay for it.
    from pytriton_plugins.model.triton_config import config_problems

    problems = config_problems(declaration)
    if problems:
        refuse(where, "; also: ".join(problems))


def _slots(where: str, answers: Answers, settings: Settings) -> int:
    is_async = answers in ("async", "async_stream")
    if is_async and settings.threads != 1:
        refuse(where, "threads= is for a plain def; write max_concurrency= for an async def")
    if not is_async and settings.max_concurrency is not None:
        refuse(where, "max_concurrency= is for an async def; write threads= for a plain def")
    if not is_async:
        return settings.threads
    return ASYNC_SLOTS if settings.max_concurrency is None else settings.max_concurrency


def _inputs(where: str, form: Form, listed: Any) -> tuple[Tensor, ...]:
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


def _outputs(where: str, form: Form, listed: Any) -> tuple[Tensor, ...]:
    if listed is None:
        tensors = _checked(where, "output", return_tensors(where, form.function, form.returned))
    elif mentions_tensor(form.function, form.returned):
        refuse(where, "the return value is annotated with a Tensor beside outputs=; keep one of the two")
    else:
        tensors = _checked(where, "output", _listed(where, "outputs", listed))
    for tensor in tensors:
        if tensor.optional:
            refuse(where, f"output {tensor.name!r} is optional; only inputs can be, remove optional=True")
    return tensors


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
    seen = set()
    for tensor in tensors:
        if tensor.name in seen:
            refuse(where, f"two {side}s are named {tensor.name!r}; rename one of them")
        if not tensor.name.isprintable():
            refuse(where, f"{side} {tensor.name!r} has control characters in its name; remove them")
        seen.add(tensor.name)
    return tuple(tensors)


def _model_name(where: str, given: Any, default: str) -> str:
    name = default if given is None else given
    if given is None and name == "<lambda>":
        refuse(where, 'a lambda has no name; write @infer_func(name="my_model", …) or use def')
    problem = wrong_name(name)
    if problem:
        refuse(where, problem)
    return str(name)
