"""The client for `async` functions: calls, cancellation, many at once, and what is left of them."""

from __future__ import annotations

import asyncio
import gc
import os
import time
from pathlib import Path

import pytest

from pytriton_plugins.client import AsyncClient, Client, ClientClosed, InvalidInput, RequestCancelled
from pytriton_plugins.testing import RunningHost, wait_until
from tests.support.sandbox.logs import wait_logged

MANY = 10_000


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def connections(port: int) -> int:
    """The connections of this process to ``port``."""
    own = set()
    for each in Path("/proc/self/fd").iterdir():
        try:
            own.add(os.readlink(each))
        except OSError:
            continue
    lines = [line for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]]
    rows = [line.split() for line in lines]
    return sum(row[2].endswith(f":{port:04X}") and f"socket:[{row[9]}]" in own for row in rows)


def test_calls(url: str) -> None:
    async def main() -> None:
        async with AsyncClient(url, timeout=60) as client:
            await client.wait()
            await client["add"].wait()
            assert await client.is_ready()
            assert not await client["nothing"].is_ready()
            assert (await client["add"](a=[[1]], b=[[2]]))["sum"].tolist() == [[3]]
            assert (await client["echoed", 1].describe()).max_batch_size == 64
            with pytest.raises(InvalidInput, match=r"^model add: missing input b; "):
                await client["add"](a=[[1]])
            assert repr(client["nothing"]) == f"AsyncClient('{url}')['nothing']"
            assert repr(client["add"]).startswith(f"<AsyncClient('{url}')['add']: a (FP32 [-1, -1]), b (FP32 ")

    asyncio.run(main())


def test_a_client_in_one_expression(url: str) -> None:
    """It closes its connections when nothing refers to it."""

    async def main() -> None:
        assert (await AsyncClient(url)["echoed", 1](x=3))["y"].tolist() == [[3]]
        gc.collect()
        await asyncio.sleep(0)

    asyncio.run(main())
    gc.collect()


def test_another_loop_and_a_closed_client(url: str) -> None:
    client = AsyncClient(url)

    async def call() -> None:
        await client["echoed"](x=1)

    async def end() -> None:
        await call()
        await client.close()
        with pytest.raises(ClientClosed, match=r"^the client is closed; make another one$"):
            await call()

    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(call())
        with pytest.raises(ClientClosed, match=r"belongs to another event loop; make an AsyncClient in each$"):
            asyncio.run(call())
        loop.run_until_complete(end())
    finally:
        loop.close()


def test_a_cancelled_call_reaches_the_callable_over_grpc(host: RunningHost) -> None:
    async def main() -> None:
        async with AsyncClient(host.grpc) as client:
            call = asyncio.create_task(client["waiting"](seconds=60, id="cancelled task"))
            await asyncio.to_thread(wait_logged, host, "waiting: cancelled task called")
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            await asyncio.to_thread(wait_logged, host, "waiting: cancelled task cancelled")

    asyncio.run(main())


def test_a_cancelled_future_reaches_the_callable_over_grpc(host: RunningHost) -> None:
    with Client(host.grpc) as client:
        future = client["waiting"].submit(seconds=60, id="cancelled future")
        wait_logged(host, "waiting: cancelled future called")
        assert future.cancel()
        wait_logged(host, "waiting: cancelled future cancelled")


def test_a_timeout_reaches_the_callable_over_grpc(host: RunningHost) -> None:
    with Client(host.grpc) as client:
        client["waiting"].describe()
        future = client["waiting"].submit(seconds=60, id="late", timeout=3)
        assert future.exception(60) is not None
        wait_logged(host, "waiting: late cancelled")


def test_a_cancelled_call_over_http_frees_its_connection_and_runs_on(host: RunningHost, tmp_path: Path) -> None:
    """Triton does not read from a connection whose request runs, so it does not notice that it was closed."""
    file = tmp_path / "end"

    async def main() -> None:
        async with AsyncClient(f"http://{host.http}", max_connections=1) as client:
            call = asyncio.create_task(client["held"](file=str(file), id="over HTTP"))
            await asyncio.to_thread(wait_logged, host, "held: over HTTP called")
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            assert (await client["echoed", 1](x=1, timeout=30))["y"].tolist() == [[1]]

    asyncio.run(main())
    file.touch()
    wait_logged(host, "held: over HTTP ended, cancelled: False")


def test_a_stream_that_is_closed_between_two_responses_reaches_the_callable(
    url: str, host: RunningHost, tmp_path: Path
) -> None:
    file = tmp_path / "answer"
    file.touch()
    with Client(url) as client:
        stream = client["held_stream"].stream(file=str(file))
        assert next(stream)["number"].tolist() == [0]
        stream.close()
        wait_logged(host, f"held_stream: {file} cancelled")


def test_a_stream_over_http_that_is_closed_before_its_first_response(host: RunningHost, tmp_path: Path) -> None:
    """Only with the first response Triton reads from the connection again."""
    file = tmp_path / "answer"

    async def main() -> None:
        async with AsyncClient(f"http://{host.http}") as client:
            stream = client["held_stream"].stream(file=str(file))
            first = asyncio.ensure_future(anext(stream))
            await asyncio.to_thread(wait_logged, host, f"held_stream: {file} called")
            first.cancel()
            with pytest.raises(asyncio.CancelledError):
                await first

    asyncio.run(main())
    file.touch()
    wait_logged(host, f"held_stream: {file} answers, cancelled: False")
    wait_logged(host, f"held_stream: {file} cancelled")


def test_close_ends_what_is_running(url: str, host: RunningHost) -> None:
    async def main() -> None:
        client = AsyncClient(url)
        name = f"closed {url[:4]}"
        call = asyncio.create_task(client["waiting"](seconds=10, id=name))
        await asyncio.to_thread(wait_logged, host, f"waiting: {name} called")
        await client.close()
        with pytest.raises(RequestCancelled, match=r"^model waiting: the client was closed before the response came$"):
            await call

    asyncio.run(main())


def test_a_busy_event_loop_is_not_taken_for_a_server_that_does_not_answer(url: str) -> None:
    async def main() -> None:
        # Over gRPC it also limits the server's answer to a connection.
        async with AsyncClient(url, connect_timeout=0.1 if url.startswith("http") else 2) as client:
            call = asyncio.create_task(client["echoed", 1](x=1))
            for _ in range(10):
                time.sleep(0.15)  # the program's own work
                await asyncio.sleep(0)
            assert (await call)["y"].tolist() == [[1]]

    asyncio.run(main())


def test_ten_thousand_calls_at_once(url: str, host: RunningHost) -> None:
    """The number of connections has a limit, and nothing of them is left."""
    port = int(url.rpartition(":")[2])
    most = []

    async def watch() -> None:
        while True:
            most.append(connections(port))
            await asyncio.sleep(0.2)

    async def main(calls: int) -> None:
        async with AsyncClient(url, max_connections=50) as client:
            await client["echoed", 1](x=0)
            watching = asyncio.create_task(watch())
            results = await asyncio.gather(*(client["echoed", 1](x=number) for number in range(calls)))
            watching.cancel()
        assert [int(result["y"][0, 0]) for result in results] == list(range(calls))

    asyncio.run(main(10))
    wait_until(lambda: connections(port) == 0, 30, "the connections of before are closed")
    most.clear()
    before = descriptors()
    asyncio.run(main(MANY))
    gc.collect()
    assert 1 <= max(most) <= (50 if url.startswith("http") else 1)
    wait_until(lambda: connections(port) == 0, 30, "all connections are closed")
    assert descriptors() <= before + 5


def test_clients_that_are_not_closed_leave_nothing(url: str) -> None:
    port = int(url.rpartition(":")[2])

    def use() -> None:
        client = Client(url)
        assert client["echoed", 1](x=1)["y"].tolist() == [[1]]
        stream = client["endless"].stream(x=70)
        next(stream)

    for _ in range(5):
        use()
    gc.collect()
    wait_until(lambda: connections(port) == 0, 30, "all connections are closed")
