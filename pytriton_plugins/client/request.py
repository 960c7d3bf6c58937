"""One request as it is sent, its options, and the result."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import attrs
from numpy.typing import NDArray

from pytriton_plugins.client.description import ModelInfo
from pytriton_plugins.client.errors import InvalidInput, Unsupported
from pytriton_plugins.client.inputs import build_inputs
from pytriton_plugins.text import one_line
from pytriton_plugins.text.suggestions import suggestion

Array = NDArray[Any]
Parameter: TypeAlias = str | bool | int | float
Version: TypeAlias = str | int | None


class Result(dict[str, Array]):
    """The outputs of one response by name, as arrays that may be written to.

    Strings are ``bytes`` in an array of objects. ``parameters`` are those that the model set; ``model``, ``version``
    and ``id`` are those of the response.
    """

    def __init__(
        self,
        outputs: Mapping[str, Array],
        model: str = "",
        version: str = "",
        id: str = "",
        parameters: Mapping[str, Parameter] | None = None,
    ) -> None:
        super().__init__(outputs)
        self.model = model
        self.version = version
        self.id = id
        self.parameters = dict(parameters or {})


@attrs.frozen
class Options:
    """The keywords of a call that are not inputs."""

    version: str = ""
    timeout: float | None = None
    headers: Mapping[str, str] = attrs.field(factory=dict)
    parameters: Mapping[str, Parameter] = attrs.field(factory=dict)
    id: str = ""
    outputs: Sequence[str] = ()
    response_timeout: float | None = None
    written: frozenset[str] = frozenset()
    """The names of those that the call itself has; the others are the client's, or defaults."""


@attrs.frozen
class Request:
    """A request whose inputs were checked. ``inputs`` are datatype and array by name."""

    info: ModelInfo
    version: str
    id: str
    inputs: Mapping[str, tuple[str, Array]]
    outputs: Sequence[str]
    parameters: Mapping[str, Parameter]
    headers: Mapping[str, str]
    timeout: float | None = None
    response_timeout: float | None = None

    @property
    def model(self) -> str:
        """The name of the model."""
        return self.info.name


def build_request(
    info: ModelInfo, inputs: Mapping[str, Any] | None, named: Mapping[str, Any], options: Options, *, stream: bool
) -> Request:
    """The request for ``inputs``, a mapping, and ``named``, keywords; raises InvalidInput and Unsupported."""
    if info.streams and not stream:
        name = one_line(info.name)
        raise Unsupported(f'model {name} streams its responses; write client["{name}"].stream(…)', model=info.name)
    arrays = build_inputs(info, _given(info, inputs, named, options))
    _check_outputs(info, options.outputs)
    datatypes = {item.name: item.datatype for item in info.inputs}
    tensors = {name: (datatypes[name], array) for name, array in arrays.items()}
    _check_parameters(info, options.parameters)
    outputs, parameters = tuple(options.outputs), dict(options.parameters)
    timeouts = options.timeout, options.response_timeout
    return Request(info, options.version, options.id, tensors, outputs, parameters, options.headers, *timeouts)


def sent_parameters(request: Request) -> dict[str, Parameter]:
    """The parameters of a request, with the timeout, in microseconds, for the server's queue and the model."""
    if request.timeout is None:
        return dict(request.parameters)
    return {"timeout": max(1, int(request.timeout * 1e6)), **request.parameters}


def _given(
    info: ModelInfo, inputs: Mapping[str, Any] | None, named: Mapping[str, Any], options: Options
) -> dict[str, Any]:
    if inputs is not None and not isinstance(inputs, Mapping):
        raise _mistake(info, f"the inputs are a {type(inputs).__name__}; pass them by keyword, or as one dict by name")
    given = dict(inputs or {})
    for item in info.inputs:
        is_left_out = item.optional and inputs is not None  # in a dict, where it would have been written
        if item.name in options.written and item.name not in given and not is_left_out:
            raise _mistake(
                info, f'{item.name}= is an option of the call and an input; pass the inputs as {{"{item.name}": …}}'
            )
    twice = [name for name in named if name in given]
    if twice:
        raise _mistake(info, f"input {one_line(twice[0])} is given twice; remove one of them")
    return {**given, **named}


def _check_outputs(info: ModelInfo, outputs: Sequence[str]) -> None:
    if isinstance(outputs, str):
        raise _mistake(info, f"outputs={one_line(repr(outputs), 60)} is a text; write a list of names")
    if not isinstance(outputs, Iterable):
        raise _mistake(info, f"outputs={one_line(repr(outputs), 60)} is not a list; write a list of names")
    known = {item.name: item for item in info.outputs}
    for name in outputs:
        if not isinstance(name, str) or name not in known:
            names = one_line(", ".join(known))
            hint = suggestion(str(name), known)
            raise _mistake(info, f"unknown output {one_line(name)}{hint}; its outputs are {names}")


def _check_parameters(info: ModelInfo, parameters: Mapping[str, Any]) -> None:
    if not isinstance(parameters, Mapping):
        raise _mistake(info, f"the parameters are a {type(parameters).__name__}; pass a dict by name")
    for name, value in parameters.items():
        if not isinstance(name, str):
            raise _mistake(info, f"parameter {one_line(repr(name), 60)}: its name is not a text")
        for text in (name, value):
            checked_text(f"parameter {one_line(repr(name), 60)}", text)
        if not isinstance(value, (str, bool, int, float)):
            kind = type(value).__name__
            raise _mistake(info, f"parameter {one_line(name)} is a {kind}; pass a text, a number, or true or false")
        if isinstance(value, int) and not -(2**63) <= value < 2**64:
            raise _mistake(info, f"parameter {one_line(name)} is out of range; pass a whole number of 64 bits")
        if name == "priority" and not (isinstance(value, int) and value >= 0):
            raise _mistake(info, f"parameter priority is {one_line(repr(value), 60)}; pass a whole number from 0")


def checked_text(what: str, value: Any) -> Any:
    """``value``, which can be sent if it is a text; raises InvalidInput."""
    try:
        if isinstance(value, str):
            value.encode()
    except UnicodeEncodeError:
        raise InvalidInput(f"{what}: {one_line(repr(value), 60)} is not valid Unicode; remove its surrogates") from None
    return value


def checked_version(version: Version) -> str:
    """The version as it is sent, empty for the newest; raises InvalidInput."""
    if version is None or version == "":
        return ""
    text = str(version)
    if isinstance(version, bool) or not (text.isascii() and text.isdigit()):
        raise InvalidInput(f"invalid version {one_line(repr(version), 60)}: expected a whole number")
    return text


def checked_timeout(timeout: float | None) -> float | None:
    """The timeout in seconds; raises InvalidInput."""
    if timeout is None:
        return None
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or not timeout > 0:
        raise InvalidInput(f"invalid timeout {one_line(repr(timeout), 60)}: expected seconds above 0, or None")
    return float(timeout) if timeout < _LONGEST else None


_LONGEST = 1e8
"""Seconds; a longer timeout is none."""

_HEADER = re.compile(r"[A-Za-z0-9_.-]+(?<!-bin)", re.IGNORECASE)
"""The names that both protocols take; gRPC's values of ``…-bin`` are not texts."""

_HEADER_VALUE = re.compile(r"[\x20-\x7e]*")


def checked_headers(headers: Mapping[str, str] | None) -> dict[str, str]:
    """The headers with their names in lower case, as gRPC sends them; raises InvalidInput."""
    if not isinstance(headers or {}, Mapping):
        raise InvalidInput(f"headers={one_line(repr(headers), 60)} is a {type(headers).__name__}; pass a dict by name")
    for name, value in (headers or {}).items():
        if not isinstance(name, str) or not _HEADER.fullmatch(name):
            raise InvalidInput(f"invalid header {one_line(repr(name), 60)}: expected a name such as authorization")
        if not isinstance(value, str) or not _HEADER_VALUE.fullmatch(value):
            raise InvalidInput(f"header {name}: invalid value: expected a text of printable ASCII characters")
    return {name.lower(): value for name, value in (headers or {}).items()}


def _mistake(info: ModelInfo, text: str) -> InvalidInput:
    return InvalidInput(f"model {one_line(info.name)}: {text}", model=info.name)
