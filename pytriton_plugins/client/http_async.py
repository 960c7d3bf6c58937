"""The calls of an `AsyncClient` over HTTP; all in one event loop."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from pytriton_plugins.client import http_messages as messages
from pytriton_plugins.client import http_stream
from pytriton_plugins.client.address import Address
from pytriton_plugins.client.connection import ConnectionOptions, left, pauses, tls_context
from pytriton_plugins.client.description import ModelInfo, model_info
from pytriton_plugins.client.failures import (
    closed_meanwhile,
    invalid_response,
    late,
    lost,
    not_installed,
    subject,
    unreachable,
    wrong_server,
)
from pytriton_plugins.client.request import Request, Result

_OK = 200


class AsyncHttpTransport:
    """A pool of connections, each with one request at a time; more requests wait for a free one."""

    def __init__(self, address: Address, options: ConnectionOptions) -> None:
        """Made in the event loop that uses it."""
        try:
            import aiohttp
        except ImportError:
            raise not_installed("aiohttp", "pytriton-plugins[http]") from None
        self._aiohttp = aiohttp
        self._address = address
        self._options = options
        self._loop = asyncio.get_running_loop()
        tls = tls_context(options) if address.secure else False
        self._connector = aiohttp.TCPConnector(limit=options.max_connections, ssl=tls)
        self._session = aiohttp.ClientSession(connector=self._connector, auto_decompress=True)
        self._is_closed = False

    async def is_ready(self, model: str, version: str, timeout: float | None) -> bool:
        path = messages.model_path(model, version, "ready") if model else "/v2/health/ready"
        status, _, _ = await self._send("GET", path, model, timeout)
        return status == _OK

    async def describe(self, model: str, version: str, timeout: float | None) -> ModelInfo:
        path = messages.model_path(model, version)
        metadata = await self._json(path, model, timeout)
        config = await self._json(f"{path}/config", model, timeout)
        try:
            return model_info(metadata, config)
        except (KeyError, TypeError, ValueError) as error:
            raise invalid_response(self._address, error, model) from None

    async def infer(self, request: Request, timeout: float | None) -> Result:
        headers, body = messages.encode(request)
        path = messages.model_path(request.model, request.version, "infer")
        status, answered, content = await self._send("POST", path, request.model, timeout, headers, body)
        self._check(status, content, request.model)
        try:
            return messages.decode(answered, content)
        except (KeyError, TypeError, ValueError) as error:
            raise invalid_response(self._address, error, request.model) from None

    async def stream(self, request: Request, timeout: float | None) -> AsyncGenerator[Result, None]:
        headers, body = http_stream.encode(request)
        path = messages.model_path(request.model, request.version, "generate_stream")
        async with self._explained(request.model, timeout):
            async with self._response("POST", path, request.model, timeout, headers, body) as response:
                if response.status != _OK:
                    self._check(response.status, await response.read(), request.model)
                async for event in http_stream.events(response.content.iter_any()):
                    yield http_stream.decode(event, request)

    async def close(self) -> None:
        self._is_closed = True
        await self._session.close()

    def abandon(self) -> None:
        """Close the connections later, in their own event loop, if that still runs."""
        self._is_closed = True
        if not self._loop.is_closed():
            try:
                self._loop.call_soon_threadsafe(lambda: self._loop.create_task(self._session.close()))
            except RuntimeError:  # closed at this moment
                self._session.detach()
        else:
            self._session.detach()

    async def _json(self, path: str, model: str, timeout: float | None) -> Any:
        status, _, body = await self._send("GET", path, model, timeout)
        self._check(status, body, model)
        try:
            return json.loads(body)
        except ValueError as error:
            raise invalid_response(self._address, error, model) from None

    def _check(self, status: int, body: bytes, model: str) -> None:
        if status != _OK:
            raise messages.answered_error(status, body, f"{subject(self._address, model)}: ", model)

    async def _send(
        self,
        method: str,
        path: str,
        model: str,
        timeout: float | None,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> tuple[int, Mapping[str, str], bytes]:
        async with self._explained(model, timeout):
            async with self._response(method, path, model, timeout, headers, body) as response:
                return response.status, response.headers, await response.read()

    @asynccontextmanager
    async def _response(
        self, method: str, path: str, model: str, timeout: float | None, headers: Any, body: bytes | None
    ) -> AsyncIterator[Any]:
        """The response's head; asked again while no connection can be made, because nothing was sent then."""
        from yarl import URL

        scheme = "https" if self._address.secure else "http"
        url = URL(f"{scheme}://{self._address.target}{path}", encoded=True)
        waits = pauses(self._options.connect_timeout, timeout)
        deadline = None if timeout is None else self._loop.time() + timeout
        while True:
            limits = self._aiohttp.ClientTimeout(
                total=None if deadline is None else max(0.001, deadline - self._loop.time()),
                sock_connect=self._options.connect_timeout,
            )
            try:
                response = await self._session.request(method, url, data=body, headers=headers, timeout=limits)
                break
            except self._aiohttp.ClientConnectorError:
                pause = next(waits, None)
                if pause is None:
                    raise
            await asyncio.sleep(pause)
        async with response:
            yield response

    @asynccontextmanager
    async def _explained(self, model: str, timeout: float | None) -> AsyncIterator[None]:
        aiohttp, address = self._aiohttp, self._address
        try:
            yield
        except aiohttp.ClientConnectorError as error:
            if address.secure and isinstance(error.__cause__ or error.os_error, (ConnectionResetError, OSError)) and (
                "SSL" in str(error.os_error) or isinstance(error.os_error, ConnectionResetError)
            ):
                raise wrong_server(address, str(error), model) from None
            raise unreachable(address, str(error), model) from None
        except getattr(aiohttp, "ConnectionTimeoutError", ()) as error:
            raise unreachable(address, str(error), model) from None
        except asyncio.TimeoutError:
            raise late(address, timeout or 0, model) from None
        except aiohttp.ClientResponseError as error:
            raise wrong_server(address, "not HTTP" if error.status == 400 else str(error), model) from None
        except (aiohttp.ClientError, ConnectionError) as error:
            if self._is_closed:
                raise closed_meanwhile(address, model) from None
            raise lost(address, str(error) or type(error).__name__, model) from None
        except RuntimeError as error:
            if self._is_closed and "closed" in str(error):
                raise closed_meanwhile(address, model) from None
            raise
