"""`@infer_func`: checks a declaration where it is written and stores it on the callable."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, overload

from pytriton_plugins.errors import DeclarationError, known_keywords
from pytriton_plugins.model.call_rules import STRICT, CallRules
from pytriton_plugins.model.call_settings import Settings, check_settings
from pytriton_plugins.model.callable_form import Form, form_of, refuse
from pytriton_plugins.model.declaration import Answers, ModelDeclaration, wrong_name
from pytriton_plugins.model.declared_calls import callees_of
from pytriton_plugins.model.declared_tensors import tensors_of
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
    calls: Sequence[str | tuple[str, int]] = (),
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
    calls: Any = (),
    sequence: sequences.Sequence | None = None,
) -> Any:
    """Mark a function or a class as a model; it stays directly callable.

    Tensors come from ``inputs`` and ``outputs``, or from ``Annotated`` parameters and return values. A batched
    callable gets arrays of shape ``(B, *shape)``; ``max_batch_size=0`` removes the batch axis. A class is instantiated
    once in each worker and its ``__call__`` runs the batches. A generator answers one request at a time, with a
    response for each ``yield``. A plain callable runs in ``threads`` threads of its worker; an ``async`` one has up to
    ``max_concurrency`` batches in flight (8). A call that takes longer than ``timeout`` seconds fails its requests;
    its worker is ended and replaced. ``calls``: the models that it calls by ``ctx.models``, a name or a name and a
    version each; it is served once they are. ``sequence``: its requests form sequences, each with a state in one
    worker. Raises DeclarationError for a callable that cannot be served.
    """
    own = (timeout, triton_config, calls, sequence)
    settings = Settings(name, version, max_batch_size, workers, threads, max_concurrency, retry_alone, *own)

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
    tensors = tensors_of(where, form, inputs, outputs, rules, defaults=defaults)
    check_settings(where, settings)
    model_name = _model_name(where, settings.name, object_name)
    declaration = ModelDeclaration(
        name=model_name,
        version=settings.version,
        kind=form.kind,
        object_name=object_name,
        inputs=tensors.inputs,
        outputs=tensors.outputs,
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
        calls=callees_of(where, settings.calls, model_name, settings.version, form),
        sequence=settings.sequence,
    )
    if declaration.triton_config or declaration.sequence:
        _check_with_config(where, declaration)
    return declaration


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


def _model_name(where: str, given: Any, default: str) -> str:
    name = default if given is None else given
    if given is None and name == "<lambda>":
        refuse(where, 'a lambda has no name; write @infer_func(name="my_model", …) or use def')
    problem = wrong_name(name)
    if problem:
        refuse(where, problem)
    return str(name)
