"""What `Model` and `AsyncModel` share: the model's key, its representation and its calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar

from pytriton_plugins.client.calls import Call, Defaults, Descriptions
from pytriton_plugins.client.request import Parameter, Version
from pytriton_plugins.client.sequences import NO_SEQUENCE, SequenceOptions


class Owner(Protocol):
    """The client of a model."""

    _defaults: Defaults
    _descriptions: Descriptions


Client = TypeVar("Client", bound=Owner)


class ModelBase(Generic[Client]):
    """One model of the server of a client."""

    def __init__(self, client: Client, name: str, version: str = "") -> None:
        self._client = client
        self._key = (name, version)

    def __repr__(self) -> str:
        name, version = self._key
        shown = self._client._descriptions.shown(self._key)
        text = f"{self._client!r}[{f'{name!r}, {version}' if version else repr(name)}]"
        return f"<{text}:{shown}>" if shown else text

    def _call(
        self,
        inputs: Mapping[str, Any] | None = None,
        named: Mapping[str, Any] | None = None,
        version: Version = None,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
        parameters: Mapping[str, Parameter] | None = None,
        id: str = "",
        outputs: Sequence[str] | None = None,
        sequence: SequenceOptions = NO_SEQUENCE,
        *,
        response_timeout: float | None = None,
        stream: bool = False,
    ) -> Call:
        return self._client._defaults.call(
            self._key,
            inputs,
            named or {},
            version=version,
            timeout=timeout,
            headers=headers,
            parameters=parameters,
            id=id,
            outputs=outputs,
            sequence=sequence,
            response_timeout=response_timeout,
            stream=stream,
        )
