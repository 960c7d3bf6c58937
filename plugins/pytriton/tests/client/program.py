"""A script with each client, as its author would write and annotate it: program.py HTTP_URL GRPC_URL."""

from __future__ import annotations

import asyncio
import sys
from concurrent.futures import Future
from typing import Any

import numpy as np
import numpy.typing as npt

from pytriton.client import (
    AsyncioDecoupledModelClient,
    AsyncioModelClient,
    DecoupledModelClient,
    FuturesModelClient,
    ModelClient,
)
from pytriton.client.exceptions import PyTritonClientError, PyTritonClientInferenceServerError
from pytriton.model_config.triton_model_config import TritonModelConfig

Outputs = dict[str, npt.NDArray[Any]]


def call(url: str) -> Outputs:
    a, b = np.array([1.0], np.float32), np.array([2.0], np.float32)
    with ModelClient(url, "add_sub", init_timeout_s=60) as client:
        config: TritonModelConfig = client.model_config
        assert config.batching
        try:
            client.infer_sample(a)
        except PyTritonClientInferenceServerError as error:
            print(error.message)
        batch: Outputs = client.infer_batch(a=a[None], b=b[None], parameters={"trace": True}, headers={"x-team": "red"})
        assert batch["sum"].shape == (1, 1)
        return client.infer_sample(a, b)


def call_often(url: str) -> list[int]:
    with FuturesModelClient(url, "scaled", max_workers=8, max_queue_size=100) as client:
        client.wait_for_model(60).result()
        futures: list[Future[Outputs]] = [client.infer_sample(np.array([number], np.int32)) for number in range(10)]
        return [int(future.result(timeout=60)["y"][0]) for future in futures]


def follow(url: str) -> list[int]:
    with DecoupledModelClient(url, "counted") as client:
        return [int(part["number"][0]) for part in client.infer_sample(np.array([3], np.int32))]


async def call_async(url: str, grpc_url: str) -> tuple[int, list[int]]:
    async with AsyncioModelClient(url, "scaled") as client:
        config: TritonModelConfig = await client.model_config
        result: Outputs = await client.infer_sample(np.array([5], np.int32))
        assert config.model_name == "scaled"
    async with AsyncioDecoupledModelClient(grpc_url, "counted") as decoupled:
        numbers = [int(part["number"][0]) async for part in decoupled.infer_sample(upto=np.array([2], np.int32))]
    return int(result["y"][0]), numbers


def main(url: str, grpc_url: str) -> None:
    try:
        print(call(url)["sum"].tolist(), call_often(url), follow(grpc_url), asyncio.run(call_async(url, grpc_url)))
    except PyTritonClientError as error:
        sys.exit(f"failed: {error}")


if __name__ == "__main__":
    main(*sys.argv[1:])
