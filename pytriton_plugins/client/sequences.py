"""The options of a call to a model that keeps state between requests; they are sent as parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from pytriton_plugins.client.errors import InvalidInput
from pytriton_plugins.text import one_line

SequenceId: TypeAlias = int | str | None
SequenceOptions: TypeAlias = tuple[SequenceId, bool, bool]
"""The values of ``sequence_id``, ``sequence_start`` and ``sequence_end``."""

NO_SEQUENCE: SequenceOptions = (None, False, False)


def sequence_parameters(options: SequenceOptions) -> dict[str, Any]:
    """The options that a call has, as parameters; raises InvalidInput."""
    sequence, start, end = options
    flags = {"sequence_start": start, "sequence_end": end}
    for name, flag in flags.items():
        if type(flag) is not bool:
            raise InvalidInput(f"invalid {name} {one_line(repr(flag), 60)}: expected True or False")
        if flag and sequence is None:
            raise InvalidInput(f"{name}=True without a sequence; pass sequence_id= too")
    if sequence is None:
        return {}
    if not _is_id(sequence):
        raise InvalidInput(f"invalid sequence_id {one_line(repr(sequence), 60)}: expected a number above 0, or a text")
    return {"sequence_id": sequence, **{name: True for name, flag in flags.items() if flag}}


def with_sequence(parameters: Any, sequence: Mapping[str, Any]) -> Any:
    """The parameters of a call with those of its sequence; raises InvalidInput if one is in both."""
    if parameters is None or not sequence:
        return sequence if parameters is None else parameters
    if not isinstance(parameters, Mapping):  # refused later, with the model's name
        return parameters
    twice = [name for name in sequence if name in parameters]
    if twice:
        raise InvalidInput(f"{twice[0]} is given twice; remove it from the parameters")
    return {**parameters, **sequence}


def _is_id(value: Any) -> bool:
    return bool(value) if isinstance(value, str) else type(value) is int and 0 < value < 2**64
