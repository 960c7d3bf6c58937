"""`DecoupledModelClient`: responses one by one, breaks in the middle, limits of time."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from pytriton.client import DecoupledModelClient
from pytriton.client.exceptions import (
    PyTritonClientClosedError,
    PyTritonClientInferenceServerError,
    PyTritonClientTimeoutError,
    PyTritonClientValueError,
)
from pytriton_plugins.testing import RunningHost, wait_until


def upto(number: int) -> NDArray[np.int32]:
    return np.array([number], np.int32)


def test_each_response_is_a_dict(grpc_url: str) -> None:
    with DecoupledModelClient(grpc_url, "counted") as client:
        assert [part["number"].tolist() for part in client.infer_sample(upto(3))] == [[0], [1], [2]]
        assert [part["number"].tolist() for part in client.infer_batch(upto=np.array([[2]], np.int32))] == [
            [[0]],
            [[1]],
        ]
        assert list(client.infer_sample(upto(0))) == []


def test_the_first_responses_come_before_the_end_and_a_break_cancels(grpc_url: str, host: RunningHost) -> None:
    with DecoupledModelClient(grpc_url, "counted") as client:
        for part in client.infer_sample(upto(-11)):  # has no end
            if part["number"][0] == 2:
                break
        wait_until(lambda: "counted -11: closed" in host.log, what="the callable's generator is closed")


def test_several_streams_at_once(grpc_url: str) -> None:
    with DecoupledModelClient(grpc_url, "counted") as client:
        first, second = client.infer_sample(upto(3)), client.infer_sample(upto(2))
        pairs = [(int(one["number"][0]), int(two["number"][0])) for one, two in zip(first, second, strict=False)]
        assert pairs == [(0, 0), (1, 1)]
        first.close()
        assert len(list(client.infer_sample(upto(4)))) == 4


def test_a_callable_that_fails_in_the_middle(grpc_url: str) -> None:
    with DecoupledModelClient(grpc_url, "counted") as client:
        stream = client.infer_sample(upto=upto(2), fails=np.array([True]))
        assert [int(next(stream)["number"][0]) for _ in range(2)] == [0, 1]
        with pytest.raises(PyTritonClientInferenceServerError, match=r"^model counted: enough$"):
            next(stream)
        assert len(list(client.infer_sample(upto(1)))) == 1


def test_a_client_that_is_closed_in_the_middle(grpc_url: str) -> None:
    client = DecoupledModelClient(grpc_url, "counted")
    stream = client.infer_sample(upto(-12))
    next(stream)
    client.close()
    with pytest.raises(PyTritonClientClosedError):
        list(stream)
    with pytest.raises(PyTritonClientClosedError):
        next(client.infer_sample(upto(1)))


def test_a_response_that_is_late(grpc_url: str) -> None:
    with (
        DecoupledModelClient(grpc_url, "slow", inference_timeout_s=0.3) as client,
        pytest.raises(PyTritonClientTimeoutError, match=r"^model slow: no response from .* within 0\.3 s"),
    ):
        next(client.infer_sample(np.array([60.0])))


def test_other_models_and_protocols(grpc_url: str) -> None:
    with (
        DecoupledModelClient(grpc_url, "scaled") as client,
        pytest.raises(PyTritonClientInferenceServerError, match=r"^model scaled is not decoupled; use ModelClient"),
    ):
        next(client.infer_sample(upto(1)))
    with pytest.raises(PyTritonClientValueError, match=r"^DecoupledModelClient needs gRPC; write grpc://HOST:8001"):
        DecoupledModelClient("localhost", "counted")
    with pytest.raises(PyTritonClientValueError, match=r"^inputs: some by position"):
        DecoupledModelClient(grpc_url, "counted").infer_sample(upto(1), upto=upto(1))
