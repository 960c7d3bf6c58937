"""The client for `async` functions."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import AsyncGenerator, Mapping, Sequence
from types import TracebackType
from typing import Any

from pytriton_plugins.client.address import Address, parse_url
from pytriton_plugins.client.calls import Call, Descriptions, checked_key, defaults
from pytriton_plugins.client.description import ModelInfo
from pytriton_plugins.client.errors import ClientClosed, ClientError, Unavailable, shortened
from pytriton_plugins.client.guard import Guard
from pytriton_plugins.client.model_base import ModelBase
from pytriton_plugins.client.request import Parameter, Request, Result, Version, checked_timeout
from pytriton_plugins.client.sequences import SequenceId
from pytriton_plugins.client.transport.connection import AsyncTransport, ConnectionOptions, Key
from pytriton_plugins.client.transport.response_time import in_time
from pytriton_plugins.client.waiting import ATTEMPT, POLL_INTERVAL, SERVER, Waiting


class AsyncClient:
    """A client of one server for one event loop: ``await client["add"](a=[[1, 2]], b=[[3, 4]])``.

    The parameters are those of `Client`. It belongs to the event loop of its first call. A cancelled call over gRPC
    cancels the request; over HTTP its connection is closed, which Triton notices after the first response of a stream.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout: float | None = None,
        connect_timeout: float = 2.0,
        headers: Mapping[str, str] | None = None,
        max_connections: int = 100,
        tls_ca: str | None = None,
        tls_cert: str | None = None,
        tls_key: str | None = None,
    ) -> None:
        self._address = parse_url(url)
        self._defaults = defaults(timeout, headers)
        self._descriptions = Descriptions()
        self._guard = Guard()
        self._options = ConnectionOptions(connect_timeout, max_connections, tls_ca, tls_cert, tls_key)
        self._opened: tuple[asyncio.AbstractEventLoop, AsyncTransport, weakref.finalize[Any, AsyncClient]] | None = None

    @property
    def url(self) -> str:
        """The address with its scheme and port."""
        return str(self._address)

    def __getitem__(self, key: str | tuple[str, int | str]) -> AsyncModel:
        """The model of that name, or of a name and a version; nothing is sent yet."""
        return AsyncModel(self, *checked_key(key))

    async def is_ready(self) -> bool:
        """Whether the server is ready; False also if no server answers."""
        return await self._is_ready(SERVER)

    async def wait(self, timeout: float | None = 60.0) -> None:
        """Wait until the server is ready; raises DeadlineExceeded after ``timeout`` seconds, and WrongServer."""
        await self._wait(SERVER, checked_timeout(timeout))

    async def close(self) -> None:
        """Close the connections; requests in flight fail with RequestCancelled."""
        if self._guard.close() and self._opened:
            _, transport, finalizer = self._opened
            finalizer.detach()
            await transport.close()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"AsyncClient({self.url!r})"

    def _transport(self) -> AsyncTransport:
        """The connections, made in the event loop of the first call; raises ClientClosed."""
        self._guard.check()
        loop = asyncio.get_running_loop()
        if self._opened is None:
            transport = _transport(self._address, self._options)
            self._opened = loop, transport, weakref.finalize(self, _abandon, self._guard, transport)
        if self._opened[0] is not loop:
            raise ClientClosed("the client belongs to another event loop; make an AsyncClient in each")
        return self._opened[1]

    async def _is_ready(self, key: Key) -> bool:
        try:
            return await self._transport().is_ready(key, ATTEMPT, self._defaults.headers)
        except Unavailable:
            return False

    async def _wait(self, key: Key, timeout: float | None) -> None:
        waiting = Waiting(self._address, key[0], timeout)
        while True:
            transport = self._transport()
            problem: ClientError | None = None
            try:
                if await transport.is_ready(key, waiting.attempt(), self._defaults.headers):
                    return
            except ClientError as error:
                problem = shortened(error)
            waiting.go_on(problem)
            await asyncio.sleep(POLL_INTERVAL)

    async def _infer(self, call: Call) -> Result:
        request = await self._request(call)
        try:
            return await self._transport().infer(request, call.left())
        except ClientError as error:
            self._descriptions.note(call.key, error)
            raise

    async def _stream(self, call: Call) -> AsyncGenerator[Result, None]:
        try:
            request = await self._request(call)
            responses = self._transport().stream(request, call.left())
        except ClientError as error:
            raise shortened(error) from None
        try:
            while (result := await in_time(responses.next(), self._address, request)) is not None:
                yield result
        except ClientError as error:
            self._descriptions.note(call.key, error)
            raise shortened(error) from None
        finally:
            await responses.close()

    async def _request(self, call: Call) -> Request:
        self._guard.check()
        return self._descriptions.request(call) or call.request(await self._describe(call))

    async def _describe(self, call: Call) -> ModelInfo:
        info = await self._transport().describe(call.key, call.metadata_timeout(), call.options.headers)
        self._descriptions.add(call.key, info)
        return info


class AsyncModel(ModelBase[AsyncClient]):
    """One model of the server of an `AsyncClient`; calling it sends one request."""

    async def __call__(
        self,
        inputs: Mapping[str, Any] | None = None,
        /,
        *,
        version: Version = None,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
        parameters: Mapping[str, Parameter] | None = None,
        id: str = "",
        outputs: Sequence[str] | None = None,
        sequence_id: SequenceId = None,
        sequence_start: bool = False,
        sequence_end: bool = False,
        **named: Any,
    ) -> Result:
        """Send one request and return its outputs by name; the parameters are those of `Model`."""
        sequence = sequence_id, sequence_start, sequence_end
        options = version, timeout, headers, parameters, id, outputs, sequence
        try:
            call = self._call(inputs, named, *options)
            return await self._client._infer(call)
        except ClientError as error:
            raise shortened(error) from None

    def stream(
        self,
        inputs: Mapping[str, Any] | None = None,
        /,
        *,
        version: Version = None,
        timeout: float | None = None,
        response_timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
        parameters: Mapping[str, Parameter] | None = None,
        id: str = "",
        outputs: Sequence[str] | None = None,
        sequence_id: SequenceId = None,
        sequence_start: bool = False,
        sequence_end: bool = False,
        **named: Any,
    ) -> AsyncGenerator[Result, None]:
        """Send one request and yield each response as it arrives; closing the generator cancels the request.

        ``timeout`` is for the whole stream, and ``response_timeout`` for each response.
        """
        sequence = sequence_id, sequence_start, sequence_end
        options = version, timeout, headers, parameters, id, outputs, sequence
        try:
            call = self._call(inputs, named, *options, response_timeout=response_timeout, stream=True)
            return self._client._stream(call)
        except ClientError as error:
            raise shortened(error) from None

    async def describe(self) -> ModelInfo:
        """The model's inputs, outputs and batch size, asked for anew."""
        try:
            return await self._client._describe(self._call())
        except ClientError as error:
            raise shortened(error) from None

    async def is_ready(self) -> bool:
        """Whether the model is ready; False also if no server answers."""
        return await self._client._is_ready(self._key)

    async def wait(self, timeout: float | None = 60.0) -> None:
        """Wait until the model is ready; raises DeadlineExceeded after ``timeout`` seconds."""
        await self._client._wait(self._key, checked_timeout(timeout))


def _transport(address: Address, options: ConnectionOptions) -> AsyncTransport:
    # The other protocol's libraries stay unloaded.
    if address.protocol == "grpc":
        from pytriton_plugins.client.transport.grpc_async import AsyncGrpcTransport

        return AsyncGrpcTransport(address, options)
    from pytriton_plugins.client.transport.http_async import AsyncHttpTransport

    return AsyncHttpTransport(address, options)


def _abandon(guard: Guard, transport: AsyncTransport) -> None:
    if guard.close():
        transport.abandon()
