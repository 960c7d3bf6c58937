"""The calls of a `Client` over gRPC; every method may be called from any thread."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

from pytriton_plugins.client.address import Address
from pytriton_plugins.client.description import ModelInfo
from pytriton_plugins.client.errors import ClientError, RequestCancelled
from pytriton_plugins.client.request import Request, Result
from pytriton_plugins.client.transport import grpc_messages as messages
from pytriton_plugins.client.transport.connection import ConnectionOptions, Headers, Key, left, pauses
from pytriton_plugins.client.transport.failures import closed_meanwhile, invalid_response, late
from pytriton_plugins.client.transport.grpc_channel import open_channel
from pytriton_plugins.client.transport.response_time import OPTION, ResponseWatch


class GrpcTransport:
    """One channel, which all calls share."""

    def __init__(self, address: Address, options: ConnectionOptions) -> None:
        import grpc
        from tritonclient.grpc import service_pb2

        self._address = address
        self._options = options
        self._channel, self._stub = open_channel(address, options, asynchronous=False)
        self._pb = service_pb2
        self._error: type[Exception] = grpc.RpcError
        self._is_closed = False

    def is_ready(self, key: Key, timeout: float | None, headers: Headers) -> bool:
        method, message = self._stub.ServerReady, self._pb.ServerReadyRequest()
        if key[0]:
            method, message = self._stub.ModelReady, self._pb.ModelReadyRequest(name=key[0], version=key[1])
        return bool(self._ask(method, message, key[0], timeout, headers, once=True).ready)

    def describe(self, key: Key, timeout: float | None, headers: Headers) -> ModelInfo:
        name, version = key
        metadata = self._pb.ModelMetadataRequest(name=name, version=version)
        config = self._pb.ModelConfigRequest(name=name, version=version)
        return messages.info_of(
            self._ask(self._stub.ModelMetadata, metadata, name, timeout, headers),
            self._ask(self._stub.ModelConfig, config, name, timeout, headers),
        )

    def infer(self, request: Request, timeout: float | None) -> Result:
        message, metadata = messages.encode(request), tuple(request.headers.items())

        def ask(seconds: float | None) -> Any:
            return self._stub.ModelInfer(message, timeout=seconds, metadata=metadata)

        return self._decoded(self._attempt(ask, request.model, timeout, request.timeout), request.model)

    def submit(self, request: Request, timeout: float | None) -> Future[Result]:
        future: Future[Result] = Future()
        metadata = tuple(request.headers.items())
        message = messages.encode(request)
        with self._open(request.model):
            call = self._stub.ModelInfer.future(message, timeout=timeout, metadata=metadata)
        future.add_done_callback(lambda done: call.cancel() if done.cancelled() else None)
        call.add_done_callback(lambda call: self._settle(future, call, request))
        return future

    def stream(self, request: Request, timeout: float | None) -> Generator[Result, None, None]:
        message, metadata = messages.encode(request), (*request.headers.items(), messages.ERROR_HEADER)
        calls: list[Any] = []
        watch = ResponseWatch(request.response_timeout, lambda: [call.cancel() for call in calls])

        def begin(seconds: float | None) -> Any:
            calls[:] = [self._stub.ModelStreamInfer(iter((message,)), timeout=seconds, metadata=metadata)]
            if watch.is_late:  # it has cancelled the attempt before, in the pause
                raise late(self._address, request.response_timeout or 0, request.model, OPTION)
            return next(calls[0], None)

        try:
            with watch:
                first = self._attempt(begin, request.model, timeout, request.timeout)
            while first is not None:
                result = messages.decode_streamed(first, request.model)
                if result is not None:
                    yield result
                with watch:
                    first = next(calls[0], None)
        except (self._error, RequestCancelled) as error:
            raise self._broken(error, watch, request) from None
        except ValueError as error:
            raise invalid_response(self._address, error, request.model) from None
        finally:
            watch.close()
            for call in calls:
                call.cancel()

    def close(self) -> None:
        self._is_closed = True
        self._channel.close()

    def _ask(
        self, method: Any, message: Any, model: str, timeout: float | None, headers: Headers, *, once: bool = False
    ) -> Any:
        def ask(seconds: float | None) -> Any:
            return method(message, timeout=seconds, metadata=tuple(headers.items()))

        return self._attempt(ask, model, timeout, timeout, 0.0 if once else None)

    def _attempt(
        self,
        call: Callable[[float | None], Any],
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
            try:
                with self._open(model):
                    return call(left(deadline))
            except self._error as error:
                pause = next(waits, None) if messages.is_unsent(error) else None
                if pause is None:
                    raise messages.client_error(error, self._address, model, stated) from None
            time.sleep(pause)

    @contextmanager
    def _open(self, model: str) -> Iterator[None]:
        """Raise gRPC's error for a closed channel as that of the client."""
        try:
            yield
        except ValueError:
            if self._is_closed:
                raise closed_meanwhile(self._address, model) from None
            raise

    def _broken(self, error: Any, watch: ResponseWatch, request: Request) -> ClientError:
        """The error of a stream; its own limit of time cancels it too."""
        if watch.is_late and request.response_timeout is not None:
            return late(self._address, request.response_timeout, request.model, OPTION)
        if isinstance(error, ClientError):
            return error
        return messages.client_error(error, self._address, request.model, request.timeout)

    def _decoded(self, message: Any, model: str) -> Result:
        try:
            return messages.decode(message)
        except ValueError as error:
            raise invalid_response(self._address, error, model) from None

    def _settle(self, future: Future[Result], call: Any, request: Request) -> None:
        """Runs in a thread of gRPC when the call has ended."""
        if not future.set_running_or_notify_cancel():
            return
        try:
            future.set_result(self._decoded(call.result(), request.model))
        except self._error as error:
            future.set_exception(messages.client_error(error, self._address, request.model, request.timeout))
        except BaseException as error:
            future.set_exception(error)
