"""The calls of a `Client` over HTTP: those of an `AsyncClient`, in a thread of their own."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from concurrent.futures import Future

from pytriton_plugins.client.address import Address
from pytriton_plugins.client.description import ModelInfo
from pytriton_plugins.client.errors import ClientClosed
from pytriton_plugins.client.request import Request, Result
from pytriton_plugins.client.transport.connection import ConnectionOptions, Headers, Key
from pytriton_plugins.client.transport.http_async import AsyncHttpTransport
from pytriton_plugins.client.transport.loop_thread import LoopThread


class HttpTransport:
    """One pool of connections, which all threads share."""

    def __init__(self, address: Address, options: ConnectionOptions) -> None:
        async def made() -> AsyncHttpTransport:
            return AsyncHttpTransport(address, options)

        self._thread = LoopThread()
        try:
            self._calls = self._thread.run(made())
        except BaseException:
            self._thread.stop(_nothing())
            raise

    def is_ready(self, key: Key, timeout: float | None, headers: Headers) -> bool:
        return self._thread.run(self._calls.is_ready(key, timeout, headers))

    def describe(self, key: Key, timeout: float | None, headers: Headers) -> ModelInfo:
        return self._thread.run(self._calls.describe(key, timeout, headers))

    def infer(self, request: Request, timeout: float | None) -> Result:
        return self._thread.run(self._calls.infer(request, timeout))

    def submit(self, request: Request, timeout: float | None) -> Future[Result]:
        return self._thread.submit(self._calls.infer(request, timeout))

    def stream(self, request: Request, timeout: float | None) -> Generator[Result, None, None]:
        responses = self._calls.stream(request, timeout)

        try:
            while (result := self._thread.run(responses.next())) is not None:
                yield result
        finally:
            with contextlib.suppress(ClientClosed):  # it is closed with the loop
                self._thread.submit(responses.close())

    def close(self) -> None:
        self._thread.stop(self._calls.close())


async def _nothing() -> None:
    """The last call of a thread that has none."""
