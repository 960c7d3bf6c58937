"""The calls of an `AsyncClient` over HTTP; all in one event loop."""

from __future__ import annotations

import json
from collections import deque
from contextlib import AbstractContextManager
from typing import Any

from pytriton_plugins.client.address import Address
from pytriton_plugins.client.description import ModelInfo, model_info
from pytriton_plugins.client.errors import ClientError
from pytriton_plugins.client.request import Request, Result
from pytriton_plugins.client.transport import http_messages as messages
from pytriton_plugins.client.transport import http_stream
from pytriton_plugins.client.transport.connection import ConnectionOptions, Headers, Key, Responses
from pytriton_plugins.client.transport.failures import invalid_response, subject
from pytriton_plugins.client.transport.http_pool import Exchange, HttpPool

_OK, _NO_SUCH_PATH = 200, 404
_REFUSED = (401, 403)
_INVALID = (ArithmeticError, AttributeError, KeyError, TypeError, ValueError)


class AsyncHttpTransport:
    """One pool of connections, which all calls share."""

    def __init__(self, address: Address, options: ConnectionOptions) -> None:
        """Made in the event loop that uses it."""
        self._address = address
        self._pool = HttpPool(address, options)
        self._is_triton = False

    async def is_ready(self, key: Key, timeout: float | None, headers: Headers) -> bool:
        path = messages.model_path(*key, "ready") if key[0] else "/v2/health/ready"
        status, _, body = await self._pool.answer(Exchange(path, key[0], timeout, headers=headers, once=True))
        is_foreign = status == _NO_SUCH_PATH and messages.error_text(body) is None
        if is_foreign or status in _REFUSED:
            raise self._answered(status, body, key[0])
        if status == _OK and not self._is_triton:
            await self._check_server(timeout, headers)
        return status == _OK

    async def _check_server(self, timeout: float | None, headers: Headers) -> None:
        """Raise WrongServer if something answers 200 to every path, as the port of Triton's metrics does."""
        status, _, body = await self._pool.answer(Exchange("/v2", "", timeout, headers=headers, once=True))
        if status == _OK:
            try:
                json.loads(body)
            except ValueError as error:
                raise invalid_response(self._address, error, "") from None
        self._is_triton = True

    async def describe(self, key: Key, timeout: float | None, headers: Headers) -> ModelInfo:
        path, model = messages.model_path(*key), key[0]
        exchanges = [Exchange(each, model, timeout, headers=headers) for each in (path, f"{path}/config")]
        documents = [await self._json(exchange) for exchange in exchanges]
        try:
            return model_info(*documents)
        except _INVALID as error:
            raise invalid_response(self._address, error, model) from None

    async def infer(self, request: Request, timeout: float | None) -> Result:
        path = messages.model_path(request.model, request.version, "infer")
        exchange = Exchange(path, request.model, timeout, request.timeout, *messages.encode(request))
        status, headers, content = await self._pool.answer(exchange)
        self._check(status, content, request.model)
        try:
            return messages.decode(headers, content)
        except _INVALID as error:
            raise invalid_response(self._address, error, request.model) from None

    def stream(self, request: Request, timeout: float | None) -> Responses:
        return HttpResponses(self, request, timeout)

    async def close(self) -> None:
        await self._pool.close()

    def abandon(self) -> None:
        self._pool.abandon()

    async def _json(self, exchange: Exchange) -> Any:
        status, _, body = await self._pool.answer(exchange)
        self._check(status, body, exchange.model)
        try:
            return json.loads(body)
        except ValueError as error:
            raise invalid_response(self._address, error, exchange.model) from None

    async def begin(self, exchange: Exchange) -> Any:
        """The response of a stream, whose body is not read yet."""
        response = await self._pool.begin(exchange)
        if response.status == _OK:
            return response
        with self.explained(exchange):
            async with response:
                body = await response.read()
        raise self._answered(response.status, body, exchange.model)

    def explained(self, exchange: Exchange) -> AbstractContextManager[None]:
        """Raise the errors of the connection inside as those of the client."""
        return self._pool.explained(exchange)

    def decoded(self, event: bytes, request: Request) -> Result:
        """The result of one event of a stream."""
        try:
            return http_stream.decode(json.loads(event), request)
        except _INVALID as error:
            raise invalid_response(self._address, error, request.model) from None

    def _check(self, status: int, body: bytes, model: str) -> None:
        if status != _OK:
            raise self._answered(status, body, model)

    def _answered(self, status: int, body: bytes, model: str) -> ClientError:
        text = messages.error_text(body)
        if text is None and status == _NO_SUCH_PATH:
            return invalid_response(self._address, ValueError(f"HTTP status {status}"), model)
        told = text or f"HTTP status {status}, not from a Triton; check the address"
        return messages.answered_error(status, told, subject(self._address, model), model)


class HttpResponses:
    """The responses of one request; `Responses` over HTTP."""

    def __init__(self, transport: AsyncHttpTransport, request: Request, timeout: float | None) -> None:
        path = messages.model_path(request.model, request.version, "generate_stream")
        self._transport = transport
        self._request = request
        self._exchange = Exchange(path, request.model, timeout, request.timeout, *http_stream.encode(request))
        self._events = http_stream.Events()
        self._ready: deque[bytes] = deque()
        self._response: Any = None

    async def next(self) -> Result | None:
        if self._response is None:
            self._response = await self._transport.begin(self._exchange)
        while not self._ready:
            with self._transport.explained(self._exchange):
                chunk = await self._response.content.readany()
            if not chunk:
                return None
            self._ready.extend(self._events.of(chunk))
        return self._transport.decoded(self._ready.popleft(), self._request)

    async def close(self) -> None:
        if self._response is not None:
            self._response.close()
