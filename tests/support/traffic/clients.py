"""One request to a running host, over gRPC or HTTP, sent once as a client sends it."""

from __future__ import annotations

import contextlib
import http.client
import importlib
import json
import os
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import attrs
import numpy as np
import tritonclient.grpc
from numpy.typing import NDArray
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from pytriton_plugins.testing import RunningHost

Arrays = dict[str, NDArray[Any]]
PROTOCOLS = ("grpc", "http")
# Here, so that no test measures the import.
with contextlib.suppress(ImportError, RuntimeError):
    importlib.import_module("tritonclient.http")


@attrs.frozen
class Answered:
    """The result of one request: ``outputs``, or ``error`` with ``status``, and its time by the monotonic clock."""

    outputs: Arrays
    error: str
    status: str
    at: float


def infer(
    host: RunningHost,
    protocol: str,
    model: str,
    inputs: Mapping[str, NDArray[Any]],
    outputs: Sequence[str] | None = None,
    timeout: float = 60.0,
    version: str = "",
) -> Arrays:
    """The outputs of one request by name; ``outputs`` None means all, ``version`` "" the newest.

    Raises InferenceServerException.
    """
    module = client_module(protocol)
    tensors = asked_inputs(module, inputs)
    wanted = None if outputs is None else [module.InferRequestedOutput(name) for name in outputs]
    if protocol == "grpc":
        with tritonclient.grpc.InferenceServerClient(host.grpc) as client:
            result = client.infer(model, tensors, version, outputs=wanted, client_timeout=timeout)
            names = [output.name for output in result.get_response().outputs]
            return {name: result.as_numpy(name) for name in names}
    with module.InferenceServerClient(host.http, network_timeout=timeout) as client:
        result = client.infer(model, tensors, version, outputs=wanted)
        return {output["name"]: result.as_numpy(output["name"]) for output in result.get_response()["outputs"]}


def client_module(protocol: str) -> Any:
    """``tritonclient.grpc`` or ``tritonclient.http``; the latter is an extra, which most benchmarks do not need."""
    return importlib.import_module(f"tritonclient.{protocol}")


def asked_inputs(module: Any, inputs: Mapping[str, NDArray[Any]]) -> list[Any]:
    """The inputs as ``tritonclient.grpc`` or ``tritonclient.http`` takes them."""
    tensors = [module.InferInput(name, list(array.shape), _triton(array)) for name, array in inputs.items()]
    for item, array in zip(tensors, inputs.values(), strict=True):
        item.set_data_from_numpy(array)
    return tensors


def attempt(host: RunningHost, protocol: str, model: str, inputs: Mapping[str, NDArray[Any]], **more: Any) -> Answered:
    """Send one request; returns its result, also if it failed."""
    try:
        outputs = infer(host, protocol, model, inputs, **more)
    except InferenceServerException as error:
        return Answered({}, error.message(), error.status() or "", time.monotonic())
    except (OSError, http.client.HTTPException) as error:
        return Answered({}, f"{type(error).__name__}: {error}", "", time.monotonic())
    return Answered(outputs, "", "", time.monotonic())


class Crowd:
    """Requests of several clients at once, each in a thread with its own connection."""

    def __init__(self, host: RunningHost, size: int) -> None:
        self._host = host
        self._pool = ThreadPoolExecutor(size)

    def __enter__(self) -> Crowd:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def send(self, model: str, inputs: Mapping[str, NDArray[Any]], protocol: str = "grpc") -> Future[Answered]:
        return self._pool.submit(attempt, self._host, protocol, model, inputs)


def post(host: RunningHost, path: str, body: object) -> tuple[int, dict[str, Any]]:
    """POST ``body`` as JSON, as curl does; returns the HTTP status and the JSON of the answer."""
    connection = http.client.HTTPConnection(host.http, timeout=60)
    try:
        connection.request("POST", path, json.dumps(body))
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read() or b"{}")
    finally:
        connection.close()


class Queues(NamedTuple):
    """The number of requests that wait for a model."""

    triton: int
    backend: int


def queues(metrics: str, model: str) -> Queues:
    """The two queues of ``model``, from the metrics at this address."""
    connection = http.client.HTTPConnection(metrics, timeout=60)
    try:
        connection.request("GET", "/metrics")
        lines = connection.getresponse().read().decode().splitlines()
    finally:
        connection.close()

    def total(family: str) -> int:
        wanted = f'{family}{{model="{model}",'
        return sum(int(float(line.rpartition(" ")[2])) for line in lines if line.startswith(wanted))

    return Queues(total("nv_inference_pending_request_count"), total("pytriton_queued_requests"))


def queued(host: RunningHost, model: str) -> int:
    """The number of requests that wait for ``model``, in either queue."""
    return sum(queues(host.metrics, model))


class Gate:
    """A FIFO at which a callable waits for a writer, so that requests stay in flight or gather behind it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer = -1
        os.mkfifo(path)

    @property
    def tensor(self) -> NDArray[np.object_]:
        """The path, as an input of the model."""
        return texts(os.fsencode(self._path))

    def is_reached(self) -> bool:
        """Whether the callable has reached the FIFO."""
        try:
            self._writer = os.open(self._path, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            return False  # the callable does not read yet
        return True

    def open(self) -> None:
        """Let the callable continue."""
        os.close(self._writer)


def texts(*items: bytes | str) -> NDArray[np.object_]:
    """Strings in the client's form: an object array of bytes in one row."""
    array = np.empty((1, len(items)), object)
    array[0, :] = [item.encode() if isinstance(item, str) else item for item in items]
    return array


def _triton(array: NDArray[Any]) -> str:
    return str(np_to_triton_dtype(array.dtype))
