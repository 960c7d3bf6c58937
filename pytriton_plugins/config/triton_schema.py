"""The check of a `triton_config` against Triton's schema of a model configuration."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pytriton_plugins.host.triton.grpc_import import no_fork_handlers
from pytriton_plugins.model.triton_config import key_problem
from pytriton_plugins.text import first_few, one_line
from pytriton_plugins.text.suggestions import suggestion

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, FieldDescriptor

_MAX_LISTED = 12
"""Messages list at most this many keys."""

_WARM_UP = "model_warmup"
"""Workers check this key themselves (warmup.py)."""

_BITS = {"INT32": 32, "INT64": 64, "UINT32": 32, "UINT64": 64}


def schema_problems(config: Mapping[str, Any]) -> list[str]:
    """A line for each key of ``config`` that Triton does not know, and for each value of a wrong type.

    `key_problems` reports the keys that this package does not allow.
    """
    others = {key: value for key, value in config.items() if key != _WARM_UP and not key_problem(key)}
    if not others:
        return []
    with no_fork_handlers():  # imported here, for few models have a configuration and the import takes long
        from tritonclient.grpc import model_config_pb2
    return [f"triton_config: {problem}" for problem in _table(model_config_pb2.ModelConfig.DESCRIPTOR, others, "")]


def _table(kind: Descriptor, table: object, path: str) -> Iterator[str]:
    if not isinstance(table, Mapping):
        yield _unfit(path, table, f"a table with {_listed(kind)}")
        return
    for key, value in table.items():
        field = kind.fields_by_name.get(str(key))
        where = f"{path}.{one_line(key)}" if path else one_line(key)
        if field is not None:
            yield from _field(field, value, where)
        else:
            yield f"unknown key {where}{_instead(kind, str(key), top=not path)}"


def _field(field: FieldDescriptor, value: object, path: str) -> Iterator[str]:
    if value is None:  # in JSON the same as a key that is left out
        return
    if field.message_type and field.message_type.GetOptions().map_entry:
        if not isinstance(value, Mapping):
            yield _unfit(path, value, "a table")
            return
        for key, item in value.items():
            yield from _field(field.message_type.fields_by_name["value"], item, f"{path}.{one_line(key)}")
    elif _repeats(field):
        if not isinstance(value, (list, tuple)):
            yield _unfit(path, value, "a list")
            return
        for number, item in enumerate(value):
            yield from _one(field, item, f"{path}[{number}]")
    else:
        yield from _one(field, value, path)


def _one(field: FieldDescriptor, value: object, path: str) -> Iterator[str]:
    if field.message_type:
        yield from _table(field.message_type, value, path)
    elif not _fits(field, value):
        yield _unfit(path, value, _expected(field))


def _fits(field: FieldDescriptor, value: object) -> bool:
    """Whether protobuf's JSON parser takes ``value``."""
    kind = _kind(field)
    if kind in _BITS:
        return _is_whole(value, kind)
    if kind == "ENUM":
        names, numbers = field.enum_type.values_by_name, field.enum_type.values_by_number
        return value in names if isinstance(value, str) else type(value) is int and value in numbers
    if kind == "BOOL":
        return isinstance(value, bool)
    return isinstance(value, str) if kind == "STRING" else isinstance(value, (int, float)) and value is not True


def _is_whole(value: object, kind: str) -> bool:
    if isinstance(value, float) and math.isfinite(value) and value == int(value):
        value = int(value)
    if isinstance(value, str) and value.lstrip("-").isdecimal():
        value = int(value)
    low, high = _limits(kind)
    return type(value) is int and low <= value <= high


def _limits(kind: str) -> tuple[int, int]:
    bits = _BITS[kind]
    return (0, 2**bits - 1) if kind.startswith("U") else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def _expected(field: FieldDescriptor) -> str:
    kind = _kind(field)
    if kind in _BITS:
        low, high = _limits(kind)
        return f"a whole number from {low} to {high}"
    if kind == "ENUM":
        return f"one of {', '.join(field.enum_type.values_by_name)}"
    return {"BOOL": "true or false", "STRING": "text"}.get(kind, "a number")


def _kind(field: FieldDescriptor) -> str:
    kinds = ("INT32", "INT64", "UINT32", "UINT64", "DOUBLE", "FLOAT", "BOOL", "ENUM", "STRING")
    return next(name for name in kinds if field.cpp_type == getattr(field, f"CPPTYPE_{name}"))


def _repeats(field: FieldDescriptor) -> bool:
    if hasattr(field, "is_repeated"):
        return bool(field.is_repeated)
    return bool(field.label == field.LABEL_REPEATED)  # protobuf before 6.31


def _unfit(path: str, value: object, expected: str) -> str:
    return f"{path}: invalid value {one_line(repr(value), 60)}: expected {expected}"


def _instead(kind: Descriptor, key: str, *, top: bool) -> str:
    """The hint for an unknown ``key``: a similar key, or the same key in the table that has it."""
    nested = [f"{field.name}.{key}" for field in kind.fields if _has(field, key)]
    if nested:
        return f"; write {nested[0]}"
    hint = suggestion(key, kind.fields_by_name)
    if hint or not top:
        return hint or f"; known keys: {_listed(kind)}"
    return "; see docs/reference/model-configuration.md"


def _has(field: FieldDescriptor, key: str) -> bool:
    return bool(field.message_type) and not _repeats(field) and key in field.message_type.fields_by_name


def _listed(kind: Descriptor) -> str:
    return first_few(list(kind.fields_by_name), _MAX_LISTED)
