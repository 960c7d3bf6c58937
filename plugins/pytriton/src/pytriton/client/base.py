"""What all clients of one model have: where it is, and how long to wait for it."""

from __future__ import annotations

from typing import Any, TypeVar

from pytriton.client.auth import create_auth_headers
from pytriton.client.calls import Call
from pytriton.client.exceptions import PyTritonClientClosedError, PyTritonClientValueError
from pytriton.client.urls import TritonUrl
from pytriton.model_config.triton_model_config import TritonModelConfig

INIT_TIMEOUT, ASYNCIO_INIT_TIMEOUT, INFERENCE_TIMEOUT = 300.0, 60.0, 60.0
"""Seconds, where a client gets none."""

_SHORTEST = 0.001
"""Seconds, in place of 0 and less."""

Kind = TypeVar("Kind", bound="BaseModelClient")


class BaseModelClient:
    """A model of a server.

    :param url: ``HOST``, ``HOST:PORT``, ``http://HOST:PORT`` or ``grpc://HOST:PORT``; the ports are 8000 and 8001
    :param model_name: of the model
    :param model_version: a number; the newest without one
    :param lazy_init: wait for the model before the first request, not when the client is made
    :param init_timeout_s: seconds in which the model must be ready: 300, and 60 with asyncio
    :param inference_timeout_s: seconds for a response: 60
    :param model_config: what `model_config` returns, which is asked for otherwise
    :param ensure_model_is_ready: wait for the model before the first request
    :param access_token: sent with each request, for a server that asks for it

    Raises PyTritonClientInvalidUrlError and PyTritonClientValueError.
    """

    _default_init_timeout = INIT_TIMEOUT
    _streams = False
    """Whether it calls models that stream, which is possible over gRPC only."""

    def __init__(
        self,
        url: str,
        model_name: str,
        model_version: str | None = None,
        *,
        lazy_init: bool = True,
        init_timeout_s: float | None = None,
        inference_timeout_s: float | None = None,
        model_config: TritonModelConfig | None = None,
        ensure_model_is_ready: bool = True,
        access_token: str | None = None,
    ) -> None:
        self._url = TritonUrl.from_url(url)
        if self._streams and not self._url.is_grpc:
            raise PyTritonClientValueError(
                f"{type(self).__name__} needs gRPC; write grpc://HOST:8001, with the port of gRPC"
            )
        self._key = _checked_name(model_name), _checked_version(model_version) or ""
        self._options: dict[str, Any] = {
            "init_timeout_s": init_timeout_s,
            "inference_timeout_s": inference_timeout_s,
            "ensure_model_is_ready": ensure_model_is_ready,
            "access_token": access_token,
        }
        self._init_timeout = seconds(init_timeout_s, self._default_init_timeout)
        self._inference_timeout = seconds(inference_timeout_s, INFERENCE_TIMEOUT)
        self._is_lazy = lazy_init
        self._config = model_config
        self._is_ready = not ensure_model_is_ready
        self._is_closed = False
        self._open()

    def _open(self) -> None:
        """Make what a subclass sends its requests with."""

    @classmethod
    def from_existing_client(cls: type[Kind], existing_client: BaseModelClient) -> Kind:
        """A client of the same model with connections of its own, which knows what the other one has learned."""
        name, version = existing_client._key
        url, options = existing_client._url.with_scheme, existing_client._options
        made = cls(url, name, version or None, model_config=existing_client._config, **options)
        made._is_ready = existing_client._is_ready
        return made

    def _client_options(self) -> dict[str, Any]:
        """The arguments of our client."""
        token = self._options["access_token"]
        headers = create_auth_headers(token, self._url.scheme) if token else {}
        return {"url": self._url.with_scheme, "headers": headers}

    def _call_options(self, call: Call) -> dict[str, Any]:
        """The keywords of one call of our client."""
        return {"parameters": call.parameters, "headers": call.headers, "timeout": self._inference_timeout}

    def _stream_options(self, call: Call) -> dict[str, Any]:
        """The keywords of one stream of our client."""
        timeout = self._inference_timeout
        return {"parameters": call.parameters, "headers": call.headers, "response_timeout": timeout}

    def _closed(self) -> bool:
        return self._is_closed

    def _check_open(self) -> None:
        if self._is_closed:
            raise PyTritonClientClosedError(f"{type(self).__name__} of {self._key[0]}: closed; make another one")


def seconds(given: float | None, default: float) -> float:
    """A timeout, above 0: a model that is ready, or a server that answers at once, is in time with 0."""
    return default if given is None else max(given, _SHORTEST)


def _checked_name(name: str) -> str:
    if not isinstance(name, str) or not name:
        raise PyTritonClientValueError(f"model_name: {name!r:.60}; expected the name of a model")
    return name


def _checked_version(version: Any) -> str | None:
    if version is not None and not (str(version).isascii() and str(version).isdigit()):
        raise PyTritonClientValueError(f"model_version: {version!r:.60}; expected a whole number, or None")
    return None if version is None else str(version)
