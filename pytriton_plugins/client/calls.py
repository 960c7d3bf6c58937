"""What clients remember of a server: the descriptions of models, and how a call becomes a request."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import attrs

from pytriton_plugins.client.description import ModelInfo
from pytriton_plugins.client.errors import ClientError, InvalidInput, NotFound, Unsupported
from pytriton_plugins.client.request import (
    Options,
    Parameter,
    Request,
    Version,
    build_request,
    checked_headers,
    checked_text,
    checked_timeout,
    checked_version,
)
from pytriton_plugins.client.sequences import SequenceOptions, sequence_parameters, with_sequence
from pytriton_plugins.client.transport.connection import Key
from pytriton_plugins.text import one_line

METADATA_TIMEOUT = 10.0
"""Seconds for a model's metadata, where the call has no timeout."""


@attrs.frozen
class Call:
    """A call as its caller wrote it; ``deadline`` is by the monotonic clock."""

    key: Key
    inputs: Mapping[str, Any] | None
    named: Mapping[str, Any]
    options: Options
    deadline: float | None
    stream: bool = False

    def request(self, info: ModelInfo) -> Request:
        """The request for the model; raises InvalidInput and Unsupported."""
        return build_request(info, self.inputs, self.named, self.options, stream=self.stream)

    def left(self) -> float | None:
        """The seconds until the deadline, more than 0; None without one."""
        return None if self.deadline is None else max(0.001, self.deadline - time.monotonic())

    def metadata_timeout(self) -> float:
        """The seconds for the model's metadata."""
        left = self.left()
        return METADATA_TIMEOUT if left is None else left


@attrs.frozen
class Defaults:
    """The options of a client that hold for each call."""

    timeout: float | None
    headers: Mapping[str, str]

    def call(
        self,
        key: Key,
        inputs: Mapping[str, Any] | None,
        named: Mapping[str, Any],
        *,
        version: Version,
        timeout: float | None,
        headers: Mapping[str, str] | None,
        parameters: Mapping[str, Parameter] | None,
        id: str,
        outputs: Any,
        sequence: SequenceOptions,
        response_timeout: float | None = None,
        stream: bool = False,
    ) -> Call:
        """The call with its options checked; raises InvalidInput."""
        seconds = checked_timeout(self.timeout if timeout is None else timeout)
        number = checked_version(version) or key[1]
        merged = {**self.headers, **checked_headers(headers)}
        between = checked_timeout(response_timeout)
        chained = sequence_parameters(sequence)
        given = {"version": version, "timeout": timeout, "headers": headers, "parameters": parameters, "id": id}
        given |= {"outputs": outputs, "response_timeout": response_timeout, **chained}
        written = frozenset(name for name, value in given.items() if _is_written(value))
        told, wanted = with_sequence(parameters, chained), () if outputs is None else outputs
        options = Options(number, seconds, merged, told, checked_text("id", str(id)), wanted, between, written)
        deadline = None if seconds is None else time.monotonic() + seconds
        return Call((key[0], number), inputs, named, options, deadline, stream)


def _is_written(value: Any) -> bool:
    return value is not None and not (isinstance(value, (str, Mapping)) and not value)


def defaults(timeout: float | None, headers: Mapping[str, str] | None) -> Defaults:
    """The defaults of a client; raises InvalidInput."""
    return Defaults(checked_timeout(timeout), checked_headers(headers))


def checked_key(key: Any) -> Key:
    """Name and version of ``client[key]``; raises InvalidInput."""
    name, version = key if isinstance(key, tuple) and len(key) == 2 else (key, None)
    if not isinstance(name, str) or not name:
        raise InvalidInput(f'invalid model {one_line(repr(key), 60)}: write client["NAME"] or client["NAME", VERSION]')
    return checked_text("model", name), checked_version(version)


class Descriptions:
    """The descriptions that were asked for, by name and version."""

    def __init__(self) -> None:
        self._known: dict[Key, ModelInfo] = {}

    def request(self, call: Call) -> Request | None:
        """The request by a description from before; None if there is none, or if the model may have changed since."""
        info = self._known.get(call.key)
        if info is None:
            return None
        try:
            return call.request(info)
        except ClientError:
            return None

    def shown(self, key: Key) -> str:
        """The inputs and outputs of a model for its representation; empty if they are not known."""
        info = self._known.get(key)
        return f" {info.described(info.inputs)} -> {info.described(info.outputs)}" if info else ""

    def add(self, key: Key, info: ModelInfo) -> None:
        """Remember the description."""
        self._known[key] = info

    def note(self, key: Key, error: BaseException | None) -> None:
        """Forget the description if ``error`` may come from another declaration of the model."""
        if isinstance(error, (InvalidInput, NotFound, Unsupported)):
            self._known.pop(key, None)
