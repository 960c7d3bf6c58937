"""What a client that is closed, or that nothing refers to any more, does with its calls."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable

import numpy as np
import pytest

from pytriton_plugins.client import AsyncClient, Client, ClientClosed, DeadlineExceeded, ModelInfo, RequestCancelled
from pytriton_plugins.client.address import parse_url
from pytriton_plugins.client.request import Request
from pytriton_plugins.client.transport.connection import AsyncTransport, ConnectionOptions, Transport
from pytriton_plugins.client.transport.grpc_async import AsyncGrpcTransport
from pytriton_plugins.client.transport.grpc_sync import GrpcTransport
from pytriton_plugins.client.transport.http_async import AsyncHttpTransport
from pytriton_plugins.client.transport.http_sync import HttpTransport
from pytriton_plugins.client.transport.loop_thread import LoopThread
from pytriton_plugins.client.waiting import SERVER
from pytriton_plugins.testing import RunningHost, wait_until
from tests.client.test_async import connections
from tests.client.test_errors import free_port
from tests.support.sandbox.logs import wait_logged

CLOSED = r": the client was closed before the response came$"
OPTIONS = ConnectionOptions(30.0, 100)


def request(response_timeout: float | None = None) -> Request:
    tensors = {"x": ("INT32", np.ones((1, 1), np.int32))}
    return Request(ModelInfo("echoed", ()), "", "", tensors, (), {}, {}, None, response_timeout)


def test_requests_that_wait_for_a_connection_fail_as_those_that_run(host: RunningHost) -> None:
    async def main() -> None:
        client = AsyncClient(f"http://{host.http}", max_connections=1)
        await client["waiting"].describe()
        calls = [asyncio.create_task(client["waiting"](seconds=10, id="closed, queued"))]
        await asyncio.to_thread(wait_logged, host, "waiting: closed, queued called")
        calls.append(asyncio.create_task(client["waiting"](seconds=10)))
        for _ in range(20):
            await asyncio.sleep(0)
        await client.close()
        for error in await asyncio.gather(*calls, return_exceptions=True):
            assert isinstance(error, RequestCancelled)

    asyncio.run(main())


def test_futures_that_wait_for_a_connection_fail_as_those_that_run(host: RunningHost) -> None:
    client = Client(f"http://{host.http}", max_connections=1)
    futures = [client["waiting"].submit(seconds=10, id=name) for name in ("closed, first", "closed, second")]
    wait_until(lambda: "waiting: closed, " in host.log, 60, "one of them runs")
    client.close()
    for future in futures:
        with pytest.raises(RequestCancelled, match=CLOSED):
            future.result(60)


def test_a_stream_with_a_limit_for_each_response_fails_as_without(url: str, host: RunningHost) -> None:
    client, errors = Client(url), []
    name = f"closed stream {url[:4]}"

    def read() -> None:
        try:
            next(client["waiting"].stream(seconds=10, response_timeout=60, id="" if url[:4] == "http" else name))
        except BaseException as error:
            errors.append(type(error))

    before = host.log.count("waiting:  called")
    thread = threading.Thread(target=read)
    thread.start()
    wait_until(lambda: host.log.count("waiting:  called") > before or name in host.log, 60, "it runs")
    client.close()
    thread.join(60)
    assert errors == [RequestCancelled]


def test_a_call_while_the_thread_of_a_client_ends_is_refused() -> None:
    thread, refused = LoopThread(), []

    async def running() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            with pytest.raises(ClientClosed):
                thread.submit(asyncio.sleep(0))
            refused.append(True)

    async def last() -> None:
        """Nothing is left to do."""

    future = thread.submit(running())
    thread.stop(last())
    assert refused == [True]
    assert future.cancelled()
    thread.stop(last())


def test_a_thread_ends_its_calls_also_if_the_connections_cannot_be_closed() -> None:
    async def failing() -> None:
        raise OSError("as it is")

    thread = LoopThread()
    future = thread.submit(asyncio.sleep(1000))
    thread.stop(failing())
    assert future.cancelled()


@pytest.mark.parametrize("kind", [GrpcTransport, HttpTransport])
def test_a_call_that_comes_while_a_client_is_closed(kind: Callable[..., Transport]) -> None:
    transport = kind(parse_url(f"127.0.0.1:{free_port()}"), OPTIONS)
    transport.close()
    for call in (lambda: transport.is_ready(SERVER, 60, {}), lambda: transport.submit(request(), 60).result(60)):
        with pytest.raises((RequestCancelled, ClientClosed)):
            call()


@pytest.mark.parametrize("kind", [AsyncGrpcTransport, AsyncHttpTransport])
def test_an_asynchronous_call_that_comes_while_a_client_is_closed(kind: Callable[..., AsyncTransport]) -> None:
    async def main() -> None:
        transport = kind(parse_url(f"127.0.0.1:{free_port()}"), OPTIONS)
        await transport.close()
        with pytest.raises(RequestCancelled, match=CLOSED):
            await transport.is_ready(SERVER, 60, {})

    asyncio.run(main())


def test_a_future_keeps_its_client_until_its_end(url: str) -> None:
    port = int(url.rpartition(":")[2])
    future = Client(url)["waiting"].submit(seconds=0.2, id="kept")
    gc.collect()
    assert future.result(60)["id"].tolist() == [b"kept"]
    wait_until(lambda: connections(port) == 0, 30, "all connections are closed")


def test_a_limit_for_each_response_also_ends_the_attempts_to_connect() -> None:
    transport = GrpcTransport(parse_url(f"127.0.0.1:{free_port()}"), OPTIONS)
    with pytest.raises(DeadlineExceeded, match=r"within 0\.05 s; pass a longer response_timeout=$"):
        next(transport.stream(request(0.05), None))
    transport.close()
