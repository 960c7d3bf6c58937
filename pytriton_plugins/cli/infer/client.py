"""The connection of `pytriton-host infer` to a running server, over gRPC or HTTP."""

from __future__ import annotations

import os
import queue
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import attrs
import numpy as np

from pytriton_plugins.cli.infer.address import NAMES, Address, Locator
from pytriton_plugins.client import ModelInfo
from pytriton_plugins.client.description import model_info
from pytriton_plugins.errors import ConfigError, PytritonPluginsError, ServerError
from pytriton_plugins.host.control.client import NoHostRuns
from pytriton_plugins.text import first_few, one_line

Array = np.ndarray[Any, Any]
_MAX_LISTED = 12
"""Messages list at most this many models of a server."""

_POLL_INTERVAL = 0.2
"""Seconds between two checks of a server's readiness."""

_METADATA_TIMEOUT = 10.0
"""Seconds for a server's health and a model's metadata."""


@attrs.frozen
class Output:
    """One output of a response; ``array`` is None for a datatype that numpy does not have."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    array: Array | None


@attrs.frozen
class Result:
    """The response to one request."""

    model: str
    version: str
    outputs: tuple[Output, ...]


@contextmanager
def connect(locator: Locator, wait: float = 0.0) -> Iterator[Client]:
    """A client of the located server; ServerError if no Triton answers there, or none is ready after ``wait``.

    With ``wait`` a daemon may also start meanwhile.
    """
    deadline = time.monotonic() + wait
    client = _found(locator, deadline)
    try:
        while wait and not client.is_ready(min(_METADATA_TIMEOUT, wait)):
            if time.monotonic() >= deadline:
                raise ServerError(f"the server at {client.where} is not ready after {wait:g} s: {client.problem}")
            time.sleep(_POLL_INTERVAL)
            if (address := locator.find()) != client.address:
                client.close()
                client = Client(address)
        client.greet()
        yield client
    finally:
        client.close()


def _found(locator: Locator, deadline: float) -> Client:
    while True:
        try:
            return Client(locator.find())
        except NoHostRuns:
            if time.monotonic() >= deadline:
                raise
        time.sleep(_POLL_INTERVAL)


class Client:
    """The calls that `infer` makes, the same over both protocols."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.where = f"{address.address} ({NAMES[address.protocol]})"
        self.problem = "it does not answer"
        """The reason why it is not ready, set by `is_ready`."""
        self._module = _library(address)
        self._is_grpc = address.protocol == "grpc"
        self._json = {"as_json": True, "client_timeout": _METADATA_TIMEOUT} if self._is_grpc else {}
        try:
            self._connection = self._module.InferenceServerClient(address.address, **_limits(address.protocol))
        except Exception as error:
            raise ConfigError(
                f"--url: invalid address {one_line(repr(address.address))}: expected HOST:PORT ({one_line(error)})"
            ) from error

    def close(self) -> None:
        self._connection.close()

    def greet(self) -> None:
        """ServerError unless a Triton answers at the address."""
        limit = {"client_timeout": _METADATA_TIMEOUT} if self._is_grpc else {}
        try:
            live = self._connection.is_server_live(**limit)
        except Exception as error:
            raise ServerError(
                f"no server answers at {self.where}; start one with 'pytriton-host serve', "
                "or name its address with --url grpc://HOST:PORT or http://HOST:PORT"
            ) from error
        if not live:
            raise ServerError(f"the server at {self.where} is not a live Triton; check --url and --protocol")

    def is_ready(self, timeout: float) -> bool:
        """Whether the server is ready; sets ``problem`` if not."""
        limit = {"client_timeout": timeout} if self._is_grpc else {}
        try:
            if self._connection.is_server_ready(**limit):
                return True
            self.problem = "it reports that it is not ready"
        except Exception as error:
            self.problem = one_line(error, 200)
        return False

    def model(self, name: str, version: str) -> ModelInfo:
        """The server's metadata of a model; ServerError if it has no model of that name and version."""
        with self._explained():
            metadata = self._connection.get_model_metadata(name, version, **self._json)
            config = self._connection.get_model_config(name, version, **self._json)
        return model_info(metadata, config.get("config", config))

    def infer(self, model: ModelInfo, version: str, arrays: dict[str, Array]) -> Result:
        """Send one request and wait for its response."""
        inputs = [self._input(key, array) for key, array in arrays.items()]
        with self._explained():
            return self._result(model.name, self._connection.infer(model.name, inputs, version, **_sequence(model)))

    def stream(self, model: ModelInfo, version: str, arrays: dict[str, Array]) -> Iterator[Result]:
        """Send one request and yield each response as it arrives; ConfigError over HTTP."""
        name = model.name
        if not self._is_grpc:
            raise ConfigError(
                f"model {one_line(name)} streams its responses; {self.address.instead}, or use curl -N with "
                f"/v2/models/{one_line(name)}/generate_stream"
            )
        inputs = [self._input(key, array) for key, array in arrays.items()]
        answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._connection.start_stream(lambda result, error: answers.put(error or result))
        try:
            self._connection.async_stream_infer(
                name, inputs, version, enable_empty_final_response=True, **_sequence(model)
            )
            while True:
                with self._explained():
                    answer = answers.get()
                    if isinstance(answer, Exception):
                        raise answer
                    if answer.get_response().parameters["triton_final_response"].bool_param:
                        return
                    result = self._result(name, answer)
                yield result
        finally:
            self._connection.stop_stream(cancel_requests=True)

    def _result(self, name: str, answer: Any) -> Result:
        response = answer.get_response(as_json=True) if self._is_grpc else answer.get_response()
        outputs = tuple(_output(item, answer) for item in response.get("outputs", []))
        return Result(str(response.get("model_name", name)), str(response.get("model_version", "")), outputs)

    def _input(self, name: str, array: Array) -> Any:
        from tritonclient.utils import np_to_triton_dtype

        item = self._module.InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype))
        item.set_data_from_numpy(array)
        return item

    @contextmanager
    def _explained(self) -> Iterator[None]:
        from tritonclient.utils import InferenceServerException

        try:
            yield
        except InferenceServerException as error:
            answer = one_line(error.message(), 4000)
            hint = self._models() if "unknown model" in answer else ""
            raise ServerError(f"the server at {self.where} answers: {answer}{hint}") from error
        except OSError as error:
            raise ServerError(f"the connection to {self.where} was lost: {one_line(error)}; try again") from error

    def _models(self) -> str:
        models = self.address.models
        if models:
            return f"; it serves {first_few(models, _MAX_LISTED)}"
        return "; the table that 'pytriton-host serve' prints lists its models"


def _sequence(model: ModelInfo) -> dict[str, Any]:
    """A sequence of one request, for a model with state."""
    if not model.sequences:
        return {}
    return {"sequence_id": random.getrandbits(62) + 1, "sequence_start": True, "sequence_end": True}


def _library(address: Address) -> ModuleType:
    # gRPC prints its own lines about a refused connection.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    try:
        if address.protocol == "grpc":
            import tritonclient.grpc as module
        else:
            import tritonclient.http as module
    except (ImportError, RuntimeError) as error:
        raise PytritonPluginsError(
            f"the HTTP client is not installed; run: pip install 'pytriton-plugins[http]', or {address.instead}"
            if address.protocol == "http"
            else f"tritonclient cannot be imported: {one_line(error)}; run: pip install 'tritonclient[grpc]'"
        ) from error
    return module  # type: ignore[no-any-return]


def _limits(protocol: str) -> dict[str, float]:
    # A response may take as long as the model needs; Ctrl-C ends the wait.
    return {"connection_timeout": _METADATA_TIMEOUT, "network_timeout": 3600.0} if protocol == "http" else {}


def _output(item: dict[str, Any], answer: Any) -> Output:
    shape = tuple(int(dim) for dim in item.get("shape", []))
    array = answer.as_numpy(item["name"])
    if array is not None and array.dtype.name == "bfloat16":
        array = array.astype(np.float32)
    return Output(str(item["name"]), str(item["datatype"]), shape, array)
