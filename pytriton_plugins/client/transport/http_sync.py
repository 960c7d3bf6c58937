"""The calls of a `Client` over HTTP: those of an `AsyncClient`, in a thread of their own."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Generator
from concurrent.futures import Future
from typing import TypeVar

from pytriton_plugins.client.address import Address
from pytriton_plugins.client.description import ModelInfo
from pytriton_plugins.client.errors import ClientClosed
from pytriton_plugins.client.request import Request, Result
from pytriton_plugins.client.transport.connection import ConnectionOptions, Headers, Key
from pytriton_plugins.client.transport.failures import closed_meanwhile
from pytriton_plugins.client.transport.http_async import AsyncHttpTransport
from pytriton_plugins.client.transport.loop_thread import LoopThread
from pytriton_plugins.client.transport.response_time import in_time

Answer = TypeVar("Answer")


class HttpTransport:
    """One pool of connections, which all threads share."""

    def __init__(self, address: Address, options: ConnectionOptions) -> None:
        async def made() -> AsyncHttpTransport:
            return AsyncHttpTransport(address, options)

        self._address = address
        self._thread = LoopThread()
        self._is_closed = False
        try:
            self._calls = self._thread.run(made())
        except BaseException:
            self._thread.stop(_nothing())
            raise

    def is_ready(self, key: Key, timeout: float | None, headers: Headers) -> bool:
        return self._thread.run(self._ended(key[0], lambda: self._calls.is_ready(key, timeout, headers)))

    def describe(self, key: Key, timeout: float | None, headers: Headers) -> ModelInfo:
        return self._thread.run(self._ended(key[0], lambda: self._calls.describe(key, timeout, headers)))

    def infer(self, request: Request, timeout: float | None) -> Result:
        return self._thread.run(self._ended(request.model, lambda: self._calls.infer(request, timeout)))

    def submit(self, request: Request, timeout: float | None) -> Future[Result]:
        return self._thread.submit(self._ended(request.model, lambda: self._calls.infer(request, timeout)))

    def stream(self, request: Request, timeout: float | None) -> Generator[Result, None, None]:
        responses = self._calls.stream(request, timeout)

        async def ask() -> Result | None:
            return await in_time(responses.next(), self._address, request)

        try:
            while (result := self._thread.run(self._ended(request.model, ask))) is not None:
                yield result
        finally:
            with contextlib.suppress(ClientClosed):  # it is closed with the loop
                self._thread.submit(responses.close())

    def close(self) -> None:
        self._is_closed = True
        self._thread.stop(self._calls.close())

    async def _ended(self, model: str, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        """What ``ask`` answers; the thread's end cancels it if it still runs."""
        try:
            return await ask()
        except asyncio.CancelledError:
            if self._is_closed:
                raise closed_meanwhile(self._address, model) from None
            raise


async def _nothing() -> None:
    """The last call of a thread that has none."""
