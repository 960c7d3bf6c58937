"""The client for ordinary functions, threads and notebooks."""

from __future__ import annotations

import time
import weakref
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import Future
from types import TracebackType
from typing import Any

from pytriton_plugins.client.address import Address, parse_url
from pytriton_plugins.client.calls import Call, Descriptions, checked_key, defaults
from pytriton_plugins.client.description import ModelInfo
from pytriton_plugins.client.errors import ClientError, Unavailable, shortened
from pytriton_plugins.client.guard import Guard
from pytriton_plugins.client.model_base import ModelBase
from pytriton_plugins.client.request import Parameter, Request, Result, Version, checked_timeout
from pytriton_plugins.client.sequences import SequenceId
from pytriton_plugins.client.transport.connection import ConnectionOptions, Key, Transport
from pytriton_plugins.client.waiting import ATTEMPT, POLL_INTERVAL, SERVER, Waiting


class Client:
    """A client of one server: ``client["add"](a=[[1, 2]], b=[[3, 4]])["sum"]``.

    :param url: ``grpc://HOST:PORT``, ``grpcs://…``, ``http://…`` or ``https://…``; without a scheme it is gRPC
    :param timeout: seconds for each call without a timeout of its own; None is unlimited
    :param connect_timeout: seconds in which a connection must be made; until then it is tried again
    :param headers: sent with each request
    :param max_connections: connections over HTTP at most; more requests wait. gRPC has one for all requests
    :param tls_ca: PEM file of the authorities to trust, instead of the system's
    :param tls_cert: PEM file of the client's own certificate
    :param tls_key: PEM file of its key

    It may be used by several threads, but not in a forked child. Nothing is sent before the first call. Raises
    InvalidUrl; every error is a ClientError.
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
        options = ConnectionOptions(connect_timeout, max_connections, tls_ca, tls_cert, tls_key)
        self._transport = _transport(self._address, options)
        self._finalizer = weakref.finalize(self, _close, self._guard, self._transport)

    @property
    def url(self) -> str:
        """The address with its scheme and port."""
        return str(self._address)

    def __getitem__(self, key: str | tuple[str, int | str]) -> Model:
        """The model of that name, or of a name and a version; nothing is sent yet."""
        return Model(self, *checked_key(key))

    def is_ready(self) -> bool:
        """Whether the server is ready; False also if no server answers."""
        return self._is_ready(SERVER)

    def wait(self, timeout: float | None = 60.0) -> None:
        """Wait until the server is ready; raises DeadlineExceeded after ``timeout`` seconds, and WrongServer."""
        self._wait(SERVER, checked_timeout(timeout))

    def close(self) -> None:
        """Close the connections; requests in flight fail with RequestCancelled."""
        self._finalizer()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Client({self.url!r})"

    def _is_ready(self, key: Key) -> bool:
        self._guard.check()
        try:
            return self._transport.is_ready(key, ATTEMPT, self._defaults.headers)
        except Unavailable:
            return False

    def _wait(self, key: Key, timeout: float | None) -> None:
        waiting = Waiting(self._address, key[0], timeout)
        while True:
            self._guard.check()
            problem: ClientError | None = None
            try:
                if self._transport.is_ready(key, waiting.attempt(), self._defaults.headers):
                    return
            except ClientError as error:
                problem = shortened(error)
            waiting.go_on(problem)
            time.sleep(POLL_INTERVAL)

    def _infer(self, call: Call) -> Result:
        request = self._request(call)
        try:
            return self._transport.infer(request, call.left())
        except ClientError as error:
            self._descriptions.note(call.key, error)
            raise

    def _submit(self, call: Call) -> Future[Result]:
        future = self._transport.submit(self._request(call), call.left())
        held = [self]  # until then, because nothing else may refer to it: Client(…)["m"].submit(…)

        def note(done: Future[Result]) -> None:
            client = held.pop()
            if not done.cancelled():
                client._descriptions.note(call.key, done.exception())

        future.add_done_callback(note)
        return future

    def _stream(self, call: Call) -> Generator[Result, None, None]:
        return self._noted(call, self._request(call))

    def _noted(self, call: Call, request: Request) -> Generator[Result, None, None]:
        self._guard.check()
        try:
            yield from self._transport.stream(request, call.left())
        except ClientError as error:
            self._descriptions.note(call.key, error)
            raise shortened(error) from None

    def _request(self, call: Call) -> Request:
        self._guard.check()
        return self._descriptions.request(call) or call.request(self._describe(call))

    def _describe(self, call: Call) -> ModelInfo:
        info = self._transport.describe(call.key, call.metadata_timeout(), call.options.headers)
        self._descriptions.add(call.key, info)
        return info


class Model(ModelBase[Client]):
    """One model of the server of a `Client`; calling it sends one request."""

    def __call__(
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
        """Send one request and return its outputs by name.

        :param inputs: the inputs by name, for names that are not keywords, or are options
        :param named: the inputs by keyword: arrays of the declared dtype, or lists, numbers, ``str`` and ``bytes``
        :param version: of the model; the newest without one
        :param timeout: seconds for the response, which the server and the model learn too; None is the client's
        :param headers: sent with the request, besides the client's
        :param parameters: of the request, also Triton's own such as ``priority``
        :param id: of the request
        :param outputs: the wanted outputs; all without names
        :param sequence_id: a number above 0 or a text, for a model that keeps state between requests
        :param sequence_start: whether it is the first request of the sequence; ``sequence_end``: the last one
        """
        sequence = sequence_id, sequence_start, sequence_end
        options = version, timeout, headers, parameters, id, outputs, sequence
        try:
            return self._client._infer(self._call(inputs, named, *options))
        except ClientError as error:
            raise shortened(error) from None

    def submit(
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
    ) -> Future[Result]:
        """Send one request, as a call does, and return a future; ``cancel`` of the future cancels the request.

        What is wrong with the inputs is raised here, and what the server answers by the future. Over gRPC it is tried
        once: the future ends in Unavailable where no connection can be made.
        """
        sequence = sequence_id, sequence_start, sequence_end
        options = version, timeout, headers, parameters, id, outputs, sequence
        try:
            return self._client._submit(self._call(inputs, named, *options))
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
    ) -> Generator[Result, None, None]:
        """Send one request, as a call does, and yield each response as it arrives.

        Closing the generator, or leaving its loop, cancels the request. ``timeout`` is for the whole stream, and
        ``response_timeout`` for each response. Over HTTP one row is sent, as JSON.
        """
        sequence = sequence_id, sequence_start, sequence_end
        options = version, timeout, headers, parameters, id, outputs, sequence
        try:
            call = self._call(inputs, named, *options, response_timeout=response_timeout, stream=True)
            return self._client._stream(call)
        except ClientError as error:
            raise shortened(error) from None

    def describe(self) -> ModelInfo:
        """The model's inputs, outputs and batch size, asked for anew."""
        self._client._guard.check()
        try:
            return self._client._describe(self._call())
        except ClientError as error:
            raise shortened(error) from None

    def is_ready(self) -> bool:
        """Whether the model is ready; False also if no server answers."""
        return self._client._is_ready(self._key)

    def wait(self, timeout: float | None = 60.0) -> None:
        """Wait until the model is ready; raises DeadlineExceeded after ``timeout`` seconds."""
        self._client._wait(self._key, checked_timeout(timeout))


def _transport(address: Address, options: ConnectionOptions) -> Transport:
    # The other protocol's libraries stay unloaded.
    if address.protocol == "grpc":
        from pytriton_plugins.client.transport.grpc_sync import GrpcTransport

        return GrpcTransport(address, options)
    from pytriton_plugins.client.transport.http_sync import HttpTransport

    return HttpTransport(address, options)


def _close(guard: Guard, transport: Transport) -> None:
    if guard.close():
        transport.close()
