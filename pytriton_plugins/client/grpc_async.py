"""The calls of an `AsyncClient` over gRPC; all in one event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from pytriton_plugins.client import grpc_messages as messages
from pytriton_plugins.client.address import Address
from pytriton_plugins.client.connection import ConnectionOptions, left, pauses
from pytriton_plugins.client.description import ModelInfo
from pytriton_plugins.client.failures import closed_meanwhile, invalid_response
from pytriton_plugins.client.grpc_channel import open_channel
from pytriton_plugins.client.request import Request, Result


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
        self._end: Any = grpc.aio.EOF
        self._is_closed = False

    async def is_ready(self, model: str, version: str, timeout: float | None) -> bool:
        if not model:
            return bool((await self._ask(self._stub.ServerReady, self._pb.ServerReadyRequest(), "", timeout)).ready)
        request = self._pb.ModelReadyRequest(name=model, version=version)
        return bool((await self._ask(self._stub.ModelReady, request, model, timeout)).ready)

    async def describe(self, model: str, version: str, timeout: float | None) -> ModelInfo:
        metadata = self._pb.ModelMetadataRequest(name=model, version=version)
        config = self._pb.ModelConfigRequest(name=model, version=version)
        return messages.info_of(
            await self._ask(self._stub.ModelMetadata, metadata, model, timeout),
            await self._ask(self._stub.ModelConfig, config, model, timeout),
        )

    async def infer(self, request: Request, timeout: float | None) -> Result:
        message = messages.encode(request)
        response = await self._ask(self._stub.ModelInfer, message, request.model, timeout, request.headers)
        async with self._explained(request.model, timeout):
            return messages.decode(response)

    async def stream(self, request: Request, timeout: float | None) -> AsyncGenerator[Result, None]:
        call, message = await self._begin(request, timeout)
        try:
            while message is not self._end:
                async with self._explained(request.model, timeout):
                    result = messages.decode_streamed(message, request.model)
                if result is not None:
                    yield result
                async with self._explained(request.model, timeout):
                    message = await call.read()
        finally:
            call.cancel()

    async def close(self) -> None:
        self._is_closed = True
        await self._channel.close()

    def abandon(self) -> None:
        """The channel closes itself when nothing refers to it."""

    async def _begin(self, request: Request, timeout: float | None) -> tuple[Any, Any]:
        """The call of a stream and its first message; again while no connection can be made."""
        message, metadata = messages.encode(request), (*request.headers.items(), messages.ERROR_HEADER)

        async def begin(seconds: float | None) -> tuple[Any, Any]:
            call = self._stub.ModelStreamInfer(iter((message,)), timeout=seconds, metadata=metadata)
            try:
                return call, await call.read()
            except BaseException:
                call.cancel()
                raise

        return await self._attempt(begin, request.model, timeout)  # type: ignore[no-any-return]

    async def _ask(
        self, method: Any, message: Any, model: str, timeout: float | None, headers: Mapping[str, str] | None = None
    ) -> Any:
        metadata = tuple((headers or {}).items())
        return await self._attempt(lambda seconds: method(message, timeout=seconds, metadata=metadata), model, timeout)

    async def _attempt(self, call: Any, model: str, timeout: float | None) -> Any:
        """Call, and again while no connection can be made: nothing was sent then."""
        waits = pauses(self._options.connect_timeout, timeout)
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            pause = None
            async with self._explained(model, timeout):
                try:
                    return await call(left(deadline))
                except self._error as error:
                    pause = next(waits, None) if messages.is_unsent(error) else None
                    if pause is None:
                        raise
            await asyncio.sleep(pause)

    @asynccontextmanager
    async def _explained(self, model: str, timeout: float | None) -> AsyncIterator[None]:
        try:
            yield
        except self._error as error:
            raise messages.client_error(error, self._address, model, timeout) from None
        except ValueError as error:
            raise invalid_response(self._address, error, model) from None
        except asyncio.CancelledError:
            # gRPC cancels the calls of a channel that is closed: the task itself was not cancelled.
            if self._is_closed:
                raise closed_meanwhile(self._address, model) from None
            raise
