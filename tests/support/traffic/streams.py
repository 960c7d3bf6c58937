"""One stream of responses of a running host, over gRPC or HTTP."""

from __future__ import annotations

import contextlib
import http.client
import json
import queue
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tritonclient.grpc
from numpy.typing import NDArray
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from pytriton_plugins.testing import RunningHost

TIMEOUT = 60.0
Inputs = dict[str, NDArray[Any]]


def grpc_stream(host: RunningHost, model: str, inputs: Inputs, output: str) -> tuple[list[Any], str]:
    """The values of ``output`` in each response, and the error that ended the stream, or an empty text."""
    found: list[Any] = []
    with open_grpc(host, model, inputs) as receive:
        while (result := receive()) is not None:
            if isinstance(result, InferenceServerException):
                return found, result.message()
            found.append(result.as_numpy(output).ravel().tolist())
    return found, ""


@contextlib.contextmanager
def open_grpc(host: RunningHost, model: str, inputs: Inputs) -> Iterator[Callable[[], Any]]:
    """Yields a function that returns the next response or error, None at the end; the client leaves at the end."""
    results: queue.Queue[Any] = queue.Queue()
    tensors = []
    for name, array in inputs.items():
        tensors.append(tritonclient.grpc.InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype)))
        tensors[-1].set_data_from_numpy(array)

    def receive() -> Any:
        result, error = results.get(timeout=TIMEOUT)
        if error is not None:
            return error
        final = result.get_response().parameters.get("triton_final_response")
        return None if final is not None and final.bool_param else result

    client = tritonclient.grpc.InferenceServerClient(host.grpc)
    try:
        client.start_stream(lambda result, error: results.put((result, error)))
        client.async_stream_infer(model, tensors, enable_empty_final_response=True)
        yield receive
    finally:
        client.stop_stream(cancel_requests=True)
        client.close()


def http_stream(host: RunningHost, model: str, inputs: dict[str, Any], most: int | None = None) -> list[dict[str, Any]]:
    """The events of ``/generate_stream``; the client leaves after ``most`` of them."""
    connection = http.client.HTTPConnection(host.http, timeout=TIMEOUT)
    try:
        connection.request("POST", f"/v2/models/{model}/generate_stream", json.dumps(inputs))
        response = connection.getresponse()
        events: list[dict[str, Any]] = []
        while (most is None or len(events) < most) and (line := response.readline()):
            if line.startswith(b"data: "):
                events.append(json.loads(line[6:]))
        return events
    finally:
        connection.close()


def count(number: int) -> Inputs:
    return {"count": np.array([[number]], np.int32)}
