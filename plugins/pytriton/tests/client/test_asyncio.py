"""`AsyncioModelClient` and `AsyncioDecoupledModelClient`."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pytriton.client import AsyncioDecoupledModelClient, AsyncioModelClient
from pytriton.client.exceptions import (
    PyTritonClientClosedError,
    PyTritonClientInferenceServerError,
    PyTritonClientModelDoesntSupportBatchingError,
    PyTritonClientTimeoutError,
    PyTritonClientValueError,
)
from pytriton_plugins.testing import RunningHost, wait_until


def ints(*values: Any) -> NDArray[np.int32]:
    return np.array(values, np.int32)


def test_many_at_once(url: str) -> None:
    async def main() -> list[int]:
        async with AsyncioModelClient(url, "scaled") as client:
            results = await asyncio.gather(*(client.infer_sample(ints(number)) for number in range(200)))
            assert (await client.infer_batch(x=ints([1], [2])))["y"].tolist() == [[3], [6]]
            return [int(result["y"][0]) for result in results]

    assert asyncio.run(main()) == [3 * number for number in range(200)]


def test_the_configuration_is_awaited(url: str) -> None:
    async def main() -> None:
        async with AsyncioModelClient(url, "add_sub", lazy_init=False) as client:
            await client.wait_for_model(60)
            assert (await client.model_config).max_batch_size == 8
            async with AsyncioModelClient.from_existing_client(client) as second:
                assert await second.model_config is await client.model_config

    asyncio.run(main())


def test_a_cancelled_task_cancels_its_request(grpc_url: str, host: RunningHost) -> None:
    async def main() -> None:
        async with AsyncioModelClient(grpc_url, "waiting") as client:
            task = asyncio.create_task(client.infer_sample(np.array([64.0])))
            await asyncio.to_thread(wait_until, lambda: "waiting 64.0: called" in host.log, what="the request runs")
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await asyncio.to_thread(wait_until, lambda: "waiting 64.0: cancelled" in host.log, what="it is cancelled")
            assert (await client.infer_sample(np.array([0.0])))["seconds"].tolist() == [0]

    asyncio.run(main())


def test_errors(url: str) -> None:
    async def main() -> None:
        client = AsyncioModelClient(url, "scaled")
        with pytest.raises(PyTritonClientValueError):
            await client.infer_sample(ints(1), x=ints(1))
        with pytest.raises(PyTritonClientInferenceServerError):
            await client.infer_sample(y=ints(1))
        await client.close()
        for call in (client.infer_sample(ints(1)), client.wait_for_model(1)):
            with pytest.raises(PyTritonClientClosedError, match=r"^AsyncioModelClient of scaled: closed"):
                await call
        async with AsyncioModelClient(url, "unbatched") as client:
            with pytest.raises(PyTritonClientModelDoesntSupportBatchingError):
                await client.infer_batch(np.ones((1, 2), np.float32))
        async with AsyncioModelClient(url, "waiting", inference_timeout_s=0.3) as client:
            with pytest.raises(PyTritonClientTimeoutError, match=r"within 0\.3 s"):
                await client.infer_sample(np.array([60.0]))

    asyncio.run(main())


def test_no_model(url: str) -> None:
    async def main() -> None:
        with pytest.raises(PyTritonClientTimeoutError, match=r"^model nothing: not ready after 0\.1 s"):
            async with AsyncioModelClient(url, "nothing", lazy_init=False, init_timeout_s=0.1):
                pass
        async with AsyncioModelClient(url, "nothing", init_timeout_s=0.1) as client:
            with pytest.raises(PyTritonClientTimeoutError, match=r"^model nothing: not ready after 0\.1 s"):
                await client.infer_sample(ints(1))

    asyncio.run(main())


def test_a_stream_and_a_break(grpc_url: str, host: RunningHost) -> None:
    async def main() -> None:
        async with AsyncioDecoupledModelClient(grpc_url, "counted") as client:
            assert [int(part["number"][0]) async for part in client.infer_sample(ints(3))] == [0, 1, 2]
            assert [part["number"].shape async for part in client.infer_batch(ints([1]))] == [(1, 1)]
            async with contextlib.aclosing(client.infer_sample(ints(-13))) as stream:  # has no end
                async for part in stream:
                    if part["number"][0] == 2:
                        break
            await asyncio.to_thread(wait_until, lambda: "counted -13: closed" in host.log, what="it is closed")

    asyncio.run(main())


def test_the_errors_of_streams(grpc_url: str) -> None:
    async def main() -> None:
        async with AsyncioDecoupledModelClient(grpc_url, "counted") as client:
            stream = client.infer_sample(upto=ints(2), fails=np.array([True]))
            assert [int((await anext(stream))["number"][0]) for _ in range(2)] == [0, 1]
            with pytest.raises(PyTritonClientInferenceServerError, match=r"^model counted: enough$"):
                await anext(stream)
        async with AsyncioDecoupledModelClient(grpc_url, "slow", inference_timeout_s=0.3) as client:
            with pytest.raises(PyTritonClientTimeoutError, match=r"^model slow: no response .* within 0\.3 s"):
                await anext(client.infer_sample(np.array([60.0])))
        async with AsyncioDecoupledModelClient(grpc_url, "scaled") as client:
            with pytest.raises(PyTritonClientInferenceServerError, match=r"^model scaled is not decoupled"):
                await anext(client.infer_sample(ints(1)))

    asyncio.run(main())
    with pytest.raises(PyTritonClientValueError, match=r"^AsyncioDecoupledModelClient needs gRPC"):
        AsyncioDecoupledModelClient("localhost", "counted")
