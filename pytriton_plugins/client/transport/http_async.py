"""The calls of an `AsyncClient` over HTTP; all in one event loop."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from typing import Any

from pytriton_plugins.client.address import Address
from pytriton_plugins.client.description import ModelInfo, model_info
from pytriton_plugins.client.request import Request, Result
from pytriton_plugins.client.transport import http_messages as messages
from pytriton_plugins.client.transport import http_stream
from pytriton_plugins.client.transport.connection import ConnectionOptions, Headers, Key
from pytriton_plugins.client.transport.failures import invalid_response, subject
from pytriton_plugins.client.transport.http_pool import Exchange, HttpPool

_OK, _NO_SUCH_PATH = 200, 404
_INVALID = (AttributeError, KeyError, TypeError, ValueError)


class AsyncHttpTransport:
    """One pool of connections, which all calls share."""

    def __init__(self, address: Address, options: ConnectionOptions) -> None:
        """Made in the event loop that uses it."""
        self._address = address
        self._pool = HttpPool(address, options)

    async def is_ready(self, key: Key, timeout: float | None, headers: Headers) -> bool:
        path = messages.model_path(*key, "ready") if key[0] else "/v2/health/ready"
        async with self._pool.response(Exchange(path, key[0], timeout, headers=headers, once=True)) as response:
            return bool(response.status == _OK)

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
        async with self._pool.response(exchange) as response:
            content = await response.read()
        self._check(response.status, content, request.model)
        try:
            return messages.decode(response.headers, content)
        except _INVALID as error:
            raise invalid_response(self._address, error, request.model) from None

    async def stream(self, request: Request, timeout: float | None) -> AsyncGenerator[Result, None]:
        path = messages.model_path(request.model, request.version, "generate_stream")
        exchange = Exchange(path, request.model, timeout, request.timeout, *http_stream.encode(request))
        async with self._pool.response(exchange) as response:
            if response.status != _OK:
                self._check(response.status, await response.read(), request.model)
            async for event in http_stream.events(response.content.iter_any()):
                yield self._decoded(event, request)

    async def close(self) -> None:
        await self._pool.close()

    def abandon(self) -> None:
        self._pool.abandon()

    async def _json(self, exchange: Exchange) -> Any:
        async with self._pool.response(exchange) as response:
            body = await response.read()
        self._check(response.status, body, exchange.model)
        try:
            return json.loads(body)
        except ValueError as error:
            raise invalid_response(self._address, error, exchange.model) from None

    def _decoded(self, event: bytes, request: Request) -> Result:
        try:
            return http_stream.decode(json.loads(event), request)
        except _INVALID as error:
            raise invalid_response(self._address, error, request.model) from None

    def _check(self, status: int, body: bytes, model: str) -> None:
        if status == _OK:
            return
        text = messages.error_text(body)
        if text is None and status == _NO_SUCH_PATH:
            raise invalid_response(self._address, ValueError(f"HTTP status {status}"), model)
        raise messages.answered_error(status, text or f"HTTP status {status}", subject(self._address, model), model)
