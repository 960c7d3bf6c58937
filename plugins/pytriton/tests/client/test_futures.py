"""`FuturesModelClient`: order, limits, errors, cancellation, the end."""

from __future__ import annotations

import concurrent.futures
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pytriton.client import FuturesModelClient
from pytriton.client.exceptions import (
    PyTritonClientClosedError,
    PyTritonClientInferenceServerError,
    PyTritonClientQueueFullError,
    PyTritonClientTimeoutError,
    PyTritonClientValueError,
)
from pytriton_plugins.testing import RunningHost, wait_until


def ints(*values: Any) -> NDArray[np.int32]:
    return np.array(values, np.int32)


def seconds(value: float) -> NDArray[np.float64]:
    return np.array([value], np.float64)


def test_each_future_has_its_result(url: str) -> None:
    with FuturesModelClient(url, "scaled") as client:
        futures = [client.infer_sample(ints(number)) for number in range(400)]
        assert [int(future.result(60)["y"][0]) for future in futures] == [3 * number for number in range(400)]
        assert client.infer_batch(x=ints([1], [2])).result(60)["y"].tolist() == [[3], [6]]


def test_they_are_sent_in_order(url: str, host: RunningHost) -> None:
    times = [0.001 + 0.0001 * number + (0.00001 if url.startswith("http") else 0) for number in range(20)]
    with FuturesModelClient(url, "waiting", max_workers=1) as client:
        for future in [client.infer_sample(seconds(each)) for each in times]:
            future.result(60)
    lines = [f"waiting {each}: called" for each in times]
    wait_until(lambda: all(line in host.log for line in lines), what="the log has all calls")
    positions = [host.log.index(line) for line in lines]
    assert positions == sorted(positions)


def test_waiting_and_the_configuration_are_futures(url: str) -> None:
    with FuturesModelClient(url, "scaled", "1") as client:
        ready, config = client.wait_for_model(60), client.model_config()
        assert ready.result(60) is None
        assert config.result(60).model_name == "scaled"
        late = FuturesModelClient(url, "nothing").wait_for_model(0.1)
        assert isinstance(late.exception(60), PyTritonClientTimeoutError)


def test_the_errors_are_those_of_the_futures(url: str) -> None:
    with FuturesModelClient(url, "scaled") as client:
        assert isinstance(client.infer_sample(ints(1), x=ints(1)).exception(60), PyTritonClientValueError)
        assert isinstance(client.infer_sample(y=ints(1)).exception(60), PyTritonClientInferenceServerError)
    with FuturesModelClient(url, "failing") as client:
        error = client.infer_sample(np.array(["raise"])).exception(60)
        assert str(error) == "model failing: ValueError: it was asked to"
        assert isinstance(error, PyTritonClientInferenceServerError)


def test_no_model_fails_all_that_wait(url: str) -> None:
    with FuturesModelClient(url, "nothing", init_timeout_s=0.1) as client:
        futures = [client.infer_sample(ints(1)) for _ in range(100)]
        concurrent.futures.wait(futures, 60)
        assert {type(future.exception(0)) for future in futures} == {PyTritonClientTimeoutError}


def test_a_full_queue(url: str) -> None:
    with FuturesModelClient(url, "waiting", max_workers=2, max_queue_size=3, non_blocking=True) as client:
        futures = [client.infer_sample(seconds(60)) for _ in range(5)]
        with pytest.raises(PyTritonClientQueueFullError, match=r"^queue full; wait for a future, or pass a larger"):
            client.infer_sample(seconds(60))
        assert all(future.cancel() for future in futures)
        assert client.infer_sample(seconds(0)).result(60)["seconds"].tolist() == [0]


def test_a_full_queue_blocks(url: str) -> None:
    with FuturesModelClient(url, "waiting", max_workers=1, max_queue_size=1) as client:
        first, second, third = (client.infer_sample(seconds(0.1)) for _ in range(3))
        assert first.done()  # its place was needed
        assert [future.result(60)["seconds"].tolist() for future in (second, third)] == [[0.1], [0.1]]


def test_a_cancelled_future_cancels_its_request(grpc_url: str, host: RunningHost) -> None:
    with FuturesModelClient(grpc_url, "waiting") as client:
        future = client.infer_sample(seconds(63))
        wait_until(lambda: "waiting 63.0: called" in host.log, what="the request runs")
        assert future.cancel()
        wait_until(lambda: "waiting 63.0: cancelled" in host.log, what="the callable sees it")


@pytest.mark.parametrize("wait", [True, False])
def test_closing_while_requests_run(url: str, wait: bool) -> None:
    client = FuturesModelClient(url, "waiting", max_workers=2)
    futures = [client.infer_sample(seconds(0.05)) for _ in range(5)]
    client.close(wait=wait)
    if wait:
        assert all(future.done() for future in futures)
    assert [future.result(60)["seconds"].tolist() for future in futures] == [[0.05]] * 5
    for call in (lambda: client.infer_sample(seconds(0)), lambda: client.wait_for_model(1), client.model_config):
        with pytest.raises(PyTritonClientClosedError, match=r"^FuturesModelClient: closed"):
            call()
    client.close()


@pytest.mark.parametrize("option", ["max_workers", "max_queue_size"])
def test_limits(url: str, option: str) -> None:
    with pytest.raises(ValueError, match=rf"^{option}=0: expected a number above 0, or None for unlimited$"):
        FuturesModelClient(url, "scaled", **{option: 0})  # type: ignore[arg-type]
    with FuturesModelClient(url, "scaled", **{option: None}) as client:  # type: ignore[arg-type]
        assert client.infer_sample(ints(1)).result(60)["y"].tolist() == [3]
