"""One call as it is sent: the called model, its inputs, and the options that were checked."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pytriton_plugins.errors import ModelCallError
from pytriton_plugins.shm import wire
from pytriton_plugins.shm.details import PARAMETER, Value, packed_value
from pytriton_plugins.text import one_line
from pytriton_plugins.worker.nested.inputs import InputBuilder, Inputs

if TYPE_CHECKING:
    from pytriton_plugins.worker.nested.memory import Region

FIRST_AREA = 1 << 15
"""Bytes for the first response of a model, whose sizes are not known yet."""

_LONGEST = 1e8
"""Seconds; a longer timeout is none."""


class Target:
    """A called model: what calls of it have in common."""

    def __init__(self, name: str, version: int) -> None:
        self.name = name
        self.packed_name = name.encode()
        self.version = version or -1
        self.builder = InputBuilder(name)
        self._sizes: dict[tuple[str, ...], int] = {}

    def size(self, outputs: tuple[str, ...]) -> int:
        """The bytes that a response with these outputs probably has."""
        return self._sizes.get(outputs, FIRST_AREA)

    def learn(self, outputs: tuple[str, ...], size: int) -> None:
        """A response had ``size`` bytes; a single large one is forgotten after a while."""
        known = self._sizes.get(outputs, 0)
        self._sizes[outputs] = max(size, known - known // 8)

    def error(self, code: Any, message: str) -> ModelCallError:
        return ModelCallError(self.name, code, message)


class Limit(NamedTuple):
    """When a call is late, by the monotonic clock, after how many seconds, and what sets that."""

    deadline: float
    seconds: float
    source: str


class CallOptions(NamedTuple):
    """The options of a call, checked."""

    outputs: tuple[str, ...]
    parameters: bytes
    parameter_count: int
    id: bytes
    priority: int
    correlation: int
    flags: int


class CallRequest:
    """A call that can be sent."""

    __slots__ = ("caller", "inputs", "limit", "options", "target")

    def __init__(self, caller: object, target: Target, inputs: Inputs, options: CallOptions, limit: Limit | None):
        """``caller``: the batch that it belongs to."""
        self.caller = caller
        self.target = target
        self.inputs = inputs
        self.options = options
        self.limit = limit

    @property
    def deadline(self) -> float | None:
        return None if self.limit is None else self.limit.deadline

    def payload(self, region: Region, places: list[tuple[int, int, int]]) -> bytes:
        """The payload of CALL; raises ModelCallError if it is too long, or late already."""
        target, options = self.target, self.options
        counts = len(places), len(options.outputs), options.parameter_count, len(options.id)
        area = region.area, region.end - region.area
        numbers = target.version, self.microseconds(), options.priority, options.correlation
        head = wire.CALL_HEADER.pack(options.flags, len(target.packed_name), *numbers, *counts, *area)
        tail = self.inputs.packed(places) if places or options.outputs else b""
        payload = head + target.packed_name + options.id + tail + options.parameters
        if len(payload) > wire.MAX_MESSAGE - wire.CHANNEL_MESSAGE.size:
            raise target.error("INVALID_ARG", "names, shapes and parameters have more than 65000 bytes; shorten them")
        return payload

    def late(self) -> ModelCallError:
        """The error of a call that is late."""
        assert self.limit is not None
        return self.target.error("UNAVAILABLE", f"no response within {self.limit.seconds:.3g} s ({self.limit.source})")

    def microseconds(self) -> int:
        """What is left of the time; 0 without a limit. Raises ModelCallError if nothing is."""
        if self.limit is None:
            return 0
        left = self.limit.deadline - time.monotonic()
        if left <= 0:
            raise self.late()
        return max(1, int(left * 1e6))


NO_OPTIONS = CallOptions((), b"", 0, b"", 0, 0, 0)


def checked_options(
    target: Target,
    *,
    outputs: Iterable[str] | None,
    parameters: Mapping[str, Value] | None,
    id: str,
    priority: int,
    sequence_id: int,
    flags: int,
) -> CallOptions:
    """The options as they are sent; raises ModelCallError."""
    packed = [_parameter(target, name, value) for name, value in _items(target, parameters)]
    numbers = _whole(target, "priority", priority), _whole(target, "sequence_id", sequence_id)
    return CallOptions(_names(target, outputs), b"".join(packed), len(packed), checked_id(target, id), *numbers, flags)


def checked_timeout(target: Target, timeout: object) -> float | None:
    """Seconds; raises ModelCallError."""
    if timeout is None:
        return None
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or not timeout > 0:
        raise _mistake(target, f"invalid timeout {one_line(repr(timeout), 60)}: expected seconds above 0, or None")
    return float(timeout) if timeout < _LONGEST else None


def checked_id(target: Target, value: object) -> bytes:
    """A request's id; raises ModelCallError."""
    return _text(target, "id", value) if value else b""


def _names(target: Target, outputs: object) -> tuple[str, ...]:
    if outputs is None:
        return ()
    if isinstance(outputs, str) or not isinstance(outputs, Iterable):
        raise _mistake(target, f"outputs={one_line(repr(outputs), 60)} is not a list; write a list of names")
    names = tuple(outputs)
    for name in names:
        if not isinstance(name, str):
            raise _mistake(target, f"outputs: {one_line(repr(name), 60)} is not a name; write a list of names")
    return names


def _items(target: Target, parameters: object) -> Iterable[tuple[object, object]]:
    if parameters is None:
        return ()
    if not isinstance(parameters, Mapping):
        raise _mistake(target, f"the parameters are a {type(parameters).__name__}; pass a dict by name")
    return parameters.items()


def _parameter(target: Target, name: object, value: object) -> bytes:
    what = f"parameter {one_line(repr(name), 60)}"
    text = _text(target, what, name)
    if isinstance(value, (np.bool_, np.integer, np.floating)):
        value = value.item()
    if not isinstance(value, (str, bool, int, float)) or not text:
        raise _mistake(target, f"{what} is a {type(value).__name__}; pass a text, a number, or true or false")
    if isinstance(value, str):
        _text(target, what, value)
    elif isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise _mistake(target, f"{what} is out of range; pass a whole number of 64 bits")
    kind, packed = packed_value(value)
    return PARAMETER.pack(kind, len(text), len(packed)) + text + packed


def _text(target: Target, what: str, value: object) -> bytes:
    try:
        packed = value.encode() if isinstance(value, str) else None
    except UnicodeEncodeError:
        packed = None
    if packed is None or b"\0" in packed:
        raise _mistake(target, f"{what}: {one_line(repr(value), 60)} is not a text of UTF-8 without zero bytes")
    return packed


def _whole(target: Target, name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or not 0 <= value < 2**64:
        raise _mistake(target, f"invalid {name} {one_line(repr(value), 60)}: expected a whole number from 0")
    return int(value)


def _mistake(target: Target, text: str) -> ModelCallError:
    return target.error("INVALID_ARG", text)
