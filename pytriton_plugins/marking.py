"""`@infer_func`: checks a declaration where it is written and keeps it on the callable; runs in author modules."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, NoReturn, TypeVar, overload

from pytriton_plugins.annotations import (
    EXAMPLE,
    OUTPUT_EXAMPLE,
    mentions_tensor,
    parameter_tensor,
    return_tensors,
)
from pytriton_plugins.errors import DeclarationError
from pytriton_plugins.models import MAX_TIMEOUT, Kind, ModelDeclaration, wrong_name
from pytriton_plugins.parameters import Parameters, check_inputs, check_kinds
from pytriton_plugins.tensors import Tensor

MAX_OUTPUTS = 64
"""A request says which outputs it wants with one bit for each (docs/protocol.md)."""

_ATTRIBUTE = "__pytriton_declaration__"
_INT32 = 2**31 - 1

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
    retry_alone: bool = True,
    timeout: float | None = None,
    triton_config: dict[str, Any] | None = None,
) -> Callable[[Marked], Marked]: ...


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
    retry_alone: bool = True,
    timeout: float | None = None,
    triton_config: dict[str, Any] | None = None,
) -> Any:
    """Marks a function or a class as a model; it stays directly callable.

    Tensors come from ``inputs`` and ``outputs``, or from ``Annotated`` parameters and return values. A batched
    callable gets arrays of shape ``(B, *shape)``; ``max_batch_size=0`` takes the batch axis away. A class is made
    once in each worker and its ``__call__`` runs the batches. A call that takes longer than ``timeout`` seconds fails
    its requests and ends its worker, and another takes its place. Raises DeclarationError for what cannot be served.
    """
    settings = _Settings(name, version, max_batch_size, workers, retry_alone, timeout, triton_config)

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


class _Settings(NamedTuple):
    name: str | None
    version: int
    max_batch_size: int
    workers: int
    retry_alone: bool
    timeout: float | None
    triton_config: dict[str, Any] | None


class _Form(NamedTuple):
    """What is called with the inputs, and the parameters it takes them in."""

    kind: Kind
    function: Any
    parameters: Parameters
    returned: Any
    settings: dict[str, bool] | None


def _declared(marked: Any, settings: _Settings, inputs: Any, outputs: Any) -> ModelDeclaration:
    where = f"@infer_func on {getattr(marked, '__qualname__', None) or repr(marked)}"
    form = _form(where, marked)
    if declaration_of(marked):
        _refuse(where, "it is already marked; mark each callable once, and write a second function for a second model")
    check_kinds(where, form.parameters)
    took = _inputs(where, form, inputs)
    gave = _outputs(where, form, outputs)
    check_inputs(where, took, form.parameters)
    _check_settings(where, settings)
    declaration = ModelDeclaration(
        name=_model_name(where, settings.name, marked.__name__),
        version=settings.version,
        kind=form.kind,
        object_name=marked.__name__,
        inputs=took,
        outputs=gave,
        max_batch_size=settings.max_batch_size,
        workers=settings.workers,
        retry_alone=settings.retry_alone,
        timeout=settings.timeout or 0.0,
        settings=form.settings,
        triton_config=dict(settings.triton_config or {}),
    )
    if declaration.triton_config:
        _check_together(where, declaration)
    return declaration


def _check_together(where: str, declaration: ModelDeclaration) -> None:
    from pytriton_plugins.triton_config import config_problem  # only the few models with a configuration pay for it

    problem = config_problem(declaration)
    if problem:
        _refuse(where, problem)


def _form(where: str, marked: Any) -> _Form:
    if isinstance(marked, type):
        return _class_form(where, marked)
    if isinstance(marked, (types.MethodType, staticmethod, classmethod)) or _in_class_body(marked):
        _refuse(where, "it is a method; mark its class and name the method __call__, or mark a function")
    if not isinstance(marked, types.FunctionType):
        _refuse(where, f"it is an instance of {type(marked).__name__}; mark a function or a class")
    return _function_form(where, "function", marked, skip=0, settings={})


def _class_form(where: str, marked: type) -> _Form:
    call = next((vars(base)["__call__"] for base in marked.__mro__ if "__call__" in vars(base)), None)
    if call is None:
        _refuse(where, "the class has no __call__; write def __call__(self, …) that takes the inputs")
    if not isinstance(call, types.FunctionType):
        _refuse(where, f"its __call__ is a {type(call).__name__}; write it as a plain def __call__(self, …)")
    constructor = vars(marked).get("__init__")
    if isinstance(constructor, types.FunctionType):
        for parameter in list(inspect.signature(constructor).parameters.values())[1:]:
            if parameter.kind is inspect.Parameter.POSITIONAL_ONLY:
                _refuse(
                    where,
                    f"parameter {parameter.name!r} of __init__ is positional-only; settings come by name, remove the /",
                )
    for optional in ("close", "is_ready"):
        _check_method(where, marked, optional)
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


def _check_method(where: str, marked: type, name: str) -> None:
    method = getattr(marked, name, None)
    if method is None:
        return
    if not callable(method):
        _refuse(where, f"{name} is no method; write def {name}(self), or give it another name")
    if inspect.iscoroutinefunction(method):
        _refuse(where, f"an async {name}() is not supported yet; write a plain def {name}(self)")


def _function_form(where: str, kind: Kind, function: Any, skip: int, settings: dict[str, bool] | None) -> _Form:
    if inspect.iscoroutinefunction(function):
        _refuse(where, "async def is not supported yet; write a plain def")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        _refuse(where, "a generator is not supported yet; return the outputs instead of yielding them")
    signature = inspect.signature(function)
    return _Form(kind, function, list(signature.parameters.values())[skip:], signature.return_annotation, settings)


def _in_class_body(marked: Any) -> bool:
    outer = getattr(marked, "__qualname__", "").rpartition(".")[0]
    return bool(outer) and not outer.endswith("<locals>")


def _inputs(where: str, form: _Form, listed: Any) -> tuple[Tensor, ...]:
    if listed is not None:
        for parameter in form.parameters:
            if mentions_tensor(form.function, parameter.annotation):
                _refuse(
                    where,
                    f"parameter {parameter.name!r} is annotated with a Tensor beside inputs=; keep one of the two",
                )
        return _checked(where, "input", _listed(where, "inputs", listed))
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in form.parameters):
        _refuse(where, '**inputs says no names; write inputs=[Tensor("image", np.uint8, (-1,)), …]')
    found = [parameter_tensor(where, form.function, parameter) for parameter in form.parameters]
    tensors = [tensor for tensor in found if tensor]
    if found and not tensors:
        first = form.parameters[0].name
        _refuse(
            where, f'it has no inputs; write inputs=[Tensor("{first}", np.float32, (-1,)), …], or {first}: {EXAMPLE}'
        )
    return _checked(where, "input", tensors)


def _outputs(where: str, form: _Form, listed: Any) -> tuple[Tensor, ...]:
    if listed is None:
        tensors = _checked(where, "output", return_tensors(where, form.function, form.returned))
    elif mentions_tensor(form.function, form.returned):
        _refuse(where, "the return value is annotated with a Tensor beside outputs=; keep one of the two")
    else:
        tensors = _checked(where, "output", _listed(where, "outputs", listed))
    for tensor in tensors:
        if tensor.optional:
            _refuse(where, f"output {tensor.name!r} is optional; only inputs can be, remove optional=True")
    if len(tensors) > MAX_OUTPUTS:
        _refuse(where, f"{len(tensors)} outputs; at most {MAX_OUTPUTS} are carried, put some of them in one tensor")
    return tensors


def _listed(where: str, side: str, listed: Any) -> Sequence[Tensor]:
    if not isinstance(listed, (list, tuple)):
        _refuse(where, f"{side}= is a {type(listed).__name__}; write a list: {side}=[Tensor(…), …]")
    for item in listed:
        if not isinstance(item, Tensor):
            _refuse(where, f'{side}= holds {item!r}; write Tensor("image", np.uint8, (-1, -1, 3))')
        if not item.name:
            _refuse(where, f'a Tensor in {side}= has no name; write it first: Tensor("image", …)')
    return listed


def _checked(where: str, side: str, tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
    if not tensors:
        hint = f", or annotate the return value: -> {OUTPUT_EXAMPLE}" if side == "output" else ""
        _refuse(where, f'it has no {side}s; write {side}s=[Tensor("{side}", np.float32, (-1,))]{hint}')
    seen = set()
    for tensor in tensors:
        if tensor.name in seen:
            _refuse(where, f"two {side}s are named {tensor.name!r}; rename one of them")
        if not tensor.name.isprintable():
            _refuse(where, f"{side} {tensor.name!r} has control characters in its name; remove them")
        seen.add(tensor.name)
    return tuple(tensors)


def _model_name(where: str, given: Any, default: str) -> str:
    name = default if given is None else given
    if given is None and name == "<lambda>":
        _refuse(where, 'a lambda has no name; write @infer_func(name="my_model", …) or use def')
    problem = wrong_name(name)
    if problem:
        _refuse(where, problem)
    return str(name)


def _check_settings(where: str, settings: _Settings) -> None:
    for name, least, none in (("version", 1, ""), ("max_batch_size", 0, " (0: no batch axis)"), ("workers", 1, "")):
        value = getattr(settings, name)
        if type(value) is not int or not least <= value <= _INT32:
            _refuse(where, f"{name}={value!r}; write a whole number from {least} up{none}")
    if type(settings.retry_alone) is not bool:
        _refuse(where, f"retry_alone={settings.retry_alone!r}; write True or False")
    timeout = settings.timeout
    if timeout is not None and (type(timeout) not in (int, float) or not 0.001 <= timeout <= MAX_TIMEOUT):
        _refuse(where, f"timeout={timeout!r}; write seconds from 0.001 to {MAX_TIMEOUT}, or leave it out")
    if settings.triton_config is not None:
        _check_triton_config(where, settings.triton_config)


def _check_triton_config(where: str, config: Any) -> None:
    import json  # only the few models that have such a configuration pay for it

    if not isinstance(config, dict):
        kind = type(config).__name__
        _refuse(where, f'triton_config is a {kind}; write a dict such as {{"response_cache": {{"enable": True}}}}')
    try:
        json.dumps(config, allow_nan=False)
    except (TypeError, ValueError) as error:
        _refuse(where, f"triton_config cannot be carried ({error}); use str, numbers, bool, lists and dicts in it")


def _refuse(where: str, problem: str) -> NoReturn:
    raise DeclarationError(f"{where}: {problem}")
