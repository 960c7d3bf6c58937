"""The calls of an `AsyncClient` over gRPC; all in one event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from pytriton_plugins.client.address import Address
from pytriton_plugins.client.description import ModelInfo
from pytriton_plugins.client.request import Request, Result
from pytriton_plugins.client.transport import grpc_messages as messages
from pytriton_plugins.client.transport.connection import ConnectionOptions, Headers, Key, Responses, left, pauses
from pytriton_plugins.client.transport.failures import closed_meanwhile, invalid_response
from pytriton_plugins.client.transport.grpc_channel import open_channel


class AsyncGrpcTransport:
    """One channel, which all calls share."""

    def __init__(self, address: Address, options: ConnectionOptions) -> None:
        import grpc
        import grpc.aio
        from tritonclient.grpc import service_pb2

        self._address = address
        self._options = options
        self._channel, self._stub = open_channel(address, options, asynchronous=True)
        self._pb = service_pb2
        self._error: type[Exception] = grpc.RpcError
        self._misuse: type[Exception] = grpc.aio.UsageError
        self.end: Any = grpc.aio.EOF
        self._is_closed = False

    async def is_ready(self, key: Key, timeout: float | None, headers: Headers) -> bool:
        method, message = self._stub.ServerReady, self._pb.ServerReadyRequest()
        if key[0]:
            method, message = self._stub.ModelReady, self._pb.ModelReadyRequest(name=key[0], version=key[1])
        return bool((await self._ask(method, message, key[0], timeout, headers, once=True)).ready)

    async def describe(self, key: Key, timeout: float | None, headers: Headers) -> ModelInfo:
        name, version = key
        metadata = self._pb.ModelMetadataRequest(name=name, version=version)
        config = self._pb.ModelConfigRequest(name=name, version=version)
        return messages.info_of(
            await self._ask(self._stub.ModelMetadata, metadata, name, timeout, headers),
            await self._ask(self._stub.ModelConfig, config, name, timeout, headers),
        )

    async def infer(self, request: Request, timeout: float | None) -> Result:
        message, metadata = messages.encode(request), tuple(request.headers.items())

        async def ask(seconds: float | None) -> Any:
            return await self._stub.ModelInfer(message, timeout=seconds, metadata=metadata)

        response = await self._attempt(ask, request.model, timeout, request.timeout)
        with self.explained(request.model, request.timeout):
            return messages.decode(response)

    def stream(self, request: Request, timeout: float | None) -> Responses:
        return GrpcResponses(self, request, timeout)

    async def close(self) -> None:
        self._is_closed = True
        await self._channel.close()

    def abandon(self) -> None:
        """The channel closes itself when nothing refers to it."""

    async def begin(self, request: Request, timeout: float | None) -> tuple[Any, Any]:
        """The call of a stream and its first message; again while no connection can be made."""
        message, metadata = messages.encode(request), (*request.headers.items(), messages.ERROR_HEADER)

        async def begin(seconds: float | None) -> tuple[Any, Any]:
            call = self._stub.ModelStreamInfer(iter((message,)), timeout=seconds, metadata=metadata)
            try:
                return call, await call.read()
            except BaseException:
                call.cancel()
                raise

        return await self._attempt(begin, request.model, timeout, request.timeout)  # type: ignore[no-any-return]

    async def _ask(
        self, method: Any, message: Any, model: str, timeout: float | None, headers: Headers, *, once: bool = False
    ) -> Any:
        async def ask(seconds: float | None) -> Any:
            return await method(message, timeout=seconds, metadata=tuple(headers.items()))

        return await self._attempt(ask, model, timeout, timeout, 0.0 if once else None)

    async def _attempt(
        self,
        call: Callable[[float | None], Awaitable[Any]],
        model: str,
        timeout: float | None,
        stated: float | None,
        patience: float | None = None,
    ) -> Any:
        """Call, and again for ``patience`` seconds while no connection can be made: nothing was sent then.

        ``stated`` is the timeout of the caller, of which ``timeout`` is left.
        """
        waits = pauses(self._options.connect_timeout if patience is None else patience, timeout)
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            with self.explained(model, stated):
                try:
                    return await call(left(deadline))
                except self._error as error:
                    pause = next(waits, None) if messages.is_unsent(error) else None
                    if pause is None:
                        raise
            await asyncio.sleep(pause)

    @contextmanager
    def explained(self, model: str, timeout: float | None) -> Iterator[None]:
        """Raise the errors of gRPC inside as those of the client; ``timeout`` is the caller's."""
        try:
            yield
        except self._error as error:
            raise messages.client_error(error, self._address, model, timeout) from None
        except ValueError as error:
            raise invalid_response(self._address, error, model) from None
        except (self._misuse, asyncio.CancelledError):
            # gRPC cancels the calls of a channel that is closed, and refuses new ones: the task was not cancelled.
            if self._is_closed:
                raise closed_meanwhile(self._address, model) from None
            raise


class GrpcResponses:
    """The responses of one request; `Responses` over gRPC."""

    def __init__(self, transport: AsyncGrpcTransport, request: Request, timeout: float | None) -> None:
        self._transport = transport
        self._request = request
        self._timeout = timeout
        self._call: Any = None

    async def next(self) -> Result | None:
        while (message := await self._message()) is not self._transport.end:
            with self._transport.explained(self._request.model, self._request.timeout):
                result = messages.decode_streamed(message, self._request.model)
            if result is not None:
                return result
        return None

    async def close(self) -> None:
        if self._call is not None:
            self._call.cancel()

    async def _message(self) -> Any:
        if self._call is None:
            self._call, first = await self._transport.begin(self._request, self._timeout)
            return first
        with self._transport.explained(self._request.model, self._request.timeout):
            return await self._call.read()
