"""Reads tensors from `Annotated` parameters and return values."""

from __future__ import annotations

import inspect
import re
import types
import typing
from typing import Annotated, Any, get_args, get_origin

from pytriton_plugins.errors import DeclarationError
from pytriton_plugins.model.tensors import Tensor

EXAMPLE = "Annotated[np.ndarray, Tensor(dtype=np.float32, shape=(-1,))]"
OUTPUT_EXAMPLE = 'Annotated[np.ndarray, Tensor("sum", np.float32, (-1,))]'
_OUR_NAMES = re.compile(r"\b(Context|Request)\b")


def parameter_tensor(where: str, function: Any, parameter: inspect.Parameter) -> Tensor | None:
    """The input that the annotation of ``parameter`` declares, under its name; None where it declares none."""
    place = f"{where}: parameter {parameter.name!r}"
    tensor = _tensor_in(place, _resolved(place, function, parameter.annotation))
    if tensor is None or not tensor.name:
        return tensor and _named(place, tensor, parameter.name, arg=tensor.arg or parameter.name)
    if tensor.arg not in (tensor.name, parameter.name):
        raise DeclarationError(
            f"{place} is annotated with arg={tensor.arg!r}; remove arg=, the input has the name of its parameter"
        )
    return _named(place, tensor, tensor.name, arg=parameter.name)


def return_tensors(where: str, function: Any, annotation: Any) -> list[Tensor]:
    """The outputs that a return annotation declares: one `Annotated`, or a TypedDict of them; else none."""
    place = f"{where}: the return annotation"
    hint = _resolved(place, function, annotation)
    if _is_typed_dict(hint):
        return _field_tensors(where, hint)
    tensor = _tensor_in(place, hint)
    if tensor is None:
        return []
    if not tensor.name:
        raise DeclarationError(f"{place} has no output name; write {OUTPUT_EXAMPLE}")
    return [tensor]


def mentions_tensor(function: Any, annotation: Any) -> bool:
    """Whether ``annotation`` declares a tensor; False where it cannot be resolved."""
    try:
        hint = _resolved("", function, annotation)
        if _is_typed_dict(hint):
            return any(_tensor_in("", field) for field in typing.get_type_hints(hint, include_extras=True).values())
        return _tensor_in("", hint) is not None
    except Exception:
        return False


def resolved_annotation(where: str, function: Any, parameter: inspect.Parameter) -> Any:
    """The annotation of ``parameter`` as an object; None where it cannot be resolved and names none of our classes."""
    try:
        return _resolved(f"{where}: parameter {parameter.name!r}", function, parameter.annotation)
    except DeclarationError:
        if isinstance(parameter.annotation, str) and _OUR_NAMES.search(parameter.annotation):
            raise
        return None


def _field_tensors(where: str, hint: type) -> list[Tensor]:
    place = f"{where}: TypedDict {hint.__name__}"
    tensors = []
    for name, field in _get_type_hints(place, hint, None).items():
        tensor = _tensor_in(f"{place}, field {name!r}", field)
        if tensor is None:
            raise DeclarationError(f"{place}, field {name!r} does not declare a tensor; write {name}: {EXAMPLE}")
        if tensor.name not in ("", name):
            raise DeclarationError(
                f"{place}, field {name!r} names its tensor {tensor.name!r}; remove that name, the field's is used"
            )
        tensors.append(_named(place, tensor, name, arg=tensor.arg or name))
    return tensors


def _named(place: str, tensor: Tensor, name: str, arg: str) -> Tensor:
    return Tensor(name, tensor.dtype, tensor.shape, optional=tensor.optional, arg=arg)


def _resolved(place: str, function: Any, annotation: Any) -> Any:
    if annotation is inspect.Signature.empty:
        return None
    holder = types.SimpleNamespace(__annotations__={"it": annotation})
    hint = _get_type_hints(place, holder, getattr(inspect.unwrap(function), "__globals__", {}))["it"]
    if isinstance(hint, Tensor):
        raise DeclarationError(f"{place} is a Tensor itself; write Annotated[np.ndarray, Tensor(…)]")
    return hint


def _get_type_hints(place: str, holder: Any, names: dict[str, Any] | None) -> dict[str, Any]:
    try:
        return typing.get_type_hints(holder, names, include_extras=True)
    except DeclarationError as error:
        raise DeclarationError(f"{place}: {error}") from None
    except NameError as error:
        raise DeclarationError(
            f"{place} cannot be resolved ({error}); move that name to module level, out of functions and TYPE_CHECKING"
        ) from None
    except Exception as error:
        raise DeclarationError(
            f"{place} cannot be read as a type ({type(error).__name__}: {error}); write {EXAMPLE}"
        ) from None


def _tensor_in(place: str, hint: Any) -> Tensor | None:
    """The one Tensor in ``hint``, also inside ``Optional`` (3.10 adds it for a default of None) or NotRequired."""
    found = [item for item in getattr(hint, "__metadata__", ()) if isinstance(item, Tensor)]
    inner = (get_args(hint)[0],) if get_origin(hint) is Annotated else _members(hint)
    found += [tensor for member in inner if (tensor := _tensor_in(place, member))]
    if len(found) > 1:
        raise DeclarationError(f"{place} has {len(found)} tensors; write one")
    return found[0] if found else None


def _members(hint: Any) -> tuple[Any, ...]:
    origin = get_origin(hint)
    required = getattr(origin, "_name", None) in ("NotRequired", "Required", "ReadOnly")
    return get_args(hint) if origin is typing.Union or required else ()


def _is_typed_dict(hint: Any) -> bool:
    # typing_extensions has a TypedDict of its own, which typing.is_typeddict does not know.
    return isinstance(hint, type) and dict in hint.__mro__ and hasattr(hint, "__total__")
