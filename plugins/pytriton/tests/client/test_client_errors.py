"""Each exception of the clients, from a real cause."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytriton.client import DecoupledModelClient, FuturesModelClient, ModelClient
from pytriton.client.exceptions import (
    PyTritonClientClosedError,
    PyTritonClientError,
    PyTritonClientInferenceServerError,
    PyTritonClientInvalidUrlError,
    PyTritonClientModelDoesntSupportBatchingError,
    PyTritonClientModelUnavailableError,
    PyTritonClientTimeoutError,
    PyTritonClientUnreachableError,
    PyTritonClientUrlParseError,
    PyTritonClientValueError,
)
from pytriton_plugins.testing import RunningHost, run_host, wait_until

ONE, ROWS = np.ones(2, np.float32), np.ones((9, 2), np.float32)


@pytest.fixture
def client(url: str) -> Any:
    with ModelClient(url, "add_sub", init_timeout_s=60) as made:
        yield made


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda client: client.infer_sample(ONE, b=ONE), r"^inputs: some by position and some by keyword; pass"),
        (lambda client: client.infer_sample(), r"^inputs: none; pass at least one$"),
        (lambda client: client.infer_sample(ONE, ONE, ONE), r"^model add_sub: 3 inputs, expected 2 \(a, b\)$"),
        (lambda client: client.infer_sample(ONE, ONE, parameters={"x": [1]}), r"^parameters: 'x' is \[1\]; expected"),
        (lambda client: client.infer_sample(ONE, ONE, parameters=[1]), r"^parameters: a list, expected a dict$"),
        (lambda client: client.infer_sample(ONE, ONE, headers={"x": None}), r"^headers: 'x' is None; expected"),
    ],
)
def test_arguments_that_cannot_be_used(client: ModelClient, call: Callable[[Any], object], line: str) -> None:
    with pytest.raises(PyTritonClientValueError, match=line):
        call(client)


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda client: client.infer_sample(ONE), r"^model add_sub: missing input b"),
        (lambda client: client.infer_sample(a=ONE, b=ONE, c=ONE), r"^model add_sub: unknown input c"),
        (lambda client: client.infer_sample(ONE.astype(int), ONE), r"^model add_sub: input a: an array of int64"),
        (lambda client: client.infer_batch(ONE, ONE), r"^model add_sub: input a: invalid shape \[2\]"),
        (lambda client: client.infer_sample(a=ONE, b=None), r"^model add_sub: input b: a NoneType"),
        (lambda client: client.infer_batch(ROWS, ROWS), r"^model add_sub: 9 rows: the model takes 8"),
        (lambda client: client.infer_batch(ROWS[:1], ROWS[:2]), r"^model add_sub: the inputs differ in their number"),
        (lambda client: client.load_model(), r"^load_model: not supported; run: pytriton-host models load add_sub$"),
        (lambda client: client.unload_model(), r"^unload_model: not supported; run: pytriton-host models unload add"),
    ],
)
def test_what_the_server_would_refuse(client: ModelClient, call: Callable[[Any], object], line: str) -> None:
    with pytest.raises(PyTritonClientInferenceServerError, match=line):
        call(client)


@pytest.mark.parametrize(("why", "line"), [("raise", "ValueError: it was asked to"), ("NOT_FOUND", "asked for")])
def test_a_callable_that_fails(url: str, why: str, line: str) -> None:
    with ModelClient(url, "failing") as client, pytest.raises(PyTritonClientInferenceServerError) as raised:
        client.infer_sample(np.array([why]))
    assert str(raised.value) == raised.value.message == f"model failing: {line}"
    assert type(raised.value) is PyTritonClientInferenceServerError


def test_no_batches(url: str) -> None:
    line = r"^model unbatched: it has no batch axis; call infer_sample$"
    with (
        ModelClient(url, "unbatched") as client,
        pytest.raises(PyTritonClientModelDoesntSupportBatchingError, match=line),
    ):
        client.infer_batch(ROWS)


def test_a_model_that_is_not_there(url: str, client: ModelClient) -> None:
    line = r"^model nothing: not ready after 0\.1 s"
    with ModelClient(url, "nothing", init_timeout_s=0.1) as nothing:
        for call in (
            lambda: nothing.infer_sample(ONE),
            lambda: nothing.wait_for_model(0.1),
            lambda: nothing.model_config,
        ):
            with pytest.raises(PyTritonClientTimeoutError, match=line):
                call()
    with pytest.raises(PyTritonClientTimeoutError, match=line):
        ModelClient(url, "nothing", init_timeout_s=0.1, lazy_init=False)
    unchecked = {"model_config": client.model_config, "ensure_model_is_ready": False}
    with (
        ModelClient(url, "nothing", **unchecked) as nothing,  # type: ignore[arg-type]
        pytest.raises(PyTritonClientModelUnavailableError, match="unknown model: 'nothing'"),
    ):
        nothing.infer_sample(ONE, ONE)


def test_no_response_in_time(url: str) -> None:
    with (
        ModelClient(url, "waiting", inference_timeout_s=0.3) as client,
        pytest.raises(PyTritonClientTimeoutError, match=r"^model waiting: no response from .* within 0\.3 s"),
    ):
        client.infer_sample(np.array([60.0]))


@pytest.mark.parametrize("scheme", ["http", "grpc"])
def test_no_server(scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with ModelClient(f"{scheme}://127.0.0.1:{port}", "add_sub", init_timeout_s=0.2) as client:
        for call in (lambda: client.infer_sample(ONE), lambda: client.wait_for_server(0.2)):
            with pytest.raises(PyTritonClientTimeoutError, match=r": not ready after 0\.2 s: "):
                call()


def test_a_server_that_goes_away() -> None:
    x = np.array([1], np.int32)
    served = Path(__file__).with_name("served.py")
    with run_host(f"{served}:scaled", f"{served}:counted", drain_timeout=0.1) as host:
        stream = DecoupledModelClient(f"grpc://{host.grpc}", "counted").infer_sample(np.array([-7], np.int32))
        assert next(stream)["number"].tolist() == [0]
        clients = [ModelClient(url, "scaled") for url in (f"http://{host.http}", f"grpc://{host.grpc}")]
        for client in clients:
            client.infer_sample(x)
        host.stop()
        with ThreadPoolExecutor() as pool:  # each tries to connect for two seconds
            errors = [pool.submit(client.infer_sample, x).exception for client in clients]
            for error in errors:
                assert isinstance(error(60), PyTritonClientUnreachableError)
                assert isinstance(error(60), PyTritonClientInferenceServerError)
                assert isinstance(error(60), PyTritonClientTimeoutError)
                assert "no server answers" in str(error(60))
        with pytest.raises(PyTritonClientInferenceServerError, match=r"^model counted: "):
            list(stream)
        for client in clients:
            client.close()


def test_a_closed_client(url: str) -> None:
    client = ModelClient(url, "add_sub")
    client.close()
    client.close()
    for call in (lambda: client.infer_sample(ONE, ONE), lambda: client.wait_for_model(1), lambda: client.model_config):
        with pytest.raises(PyTritonClientClosedError, match=r"^ModelClient of add_sub: closed; make another one$"):
            call()


def test_a_client_that_is_closed_while_a_request_runs(url: str, host: RunningHost) -> None:
    client, errors = ModelClient(url, "waiting"), []
    seconds = 61.0 if url.startswith("http") else 62.0

    def call() -> None:
        try:
            client.infer_sample(np.array([seconds]))
        except PyTritonClientError as error:
            errors.append(type(error))

    thread = threading.Thread(target=call)
    thread.start()
    wait_until(lambda: f"waiting {seconds}: called" in host.log, what="the request runs")
    client.close()
    thread.join(60)
    assert errors == [PyTritonClientClosedError]


@pytest.mark.parametrize("url", ["ftp://localhost", "localhost:port", "localhost:70000", "http://", "", "a b", None])
def test_an_invalid_url(url: Any) -> None:
    for kind in (ModelClient, FuturesModelClient):
        with pytest.raises(PyTritonClientInvalidUrlError, match=r"^invalid URL "):
            kind(url, "add_sub")
    assert PyTritonClientUrlParseError is PyTritonClientInvalidUrlError
    assert issubclass(PyTritonClientInvalidUrlError, PyTritonClientValueError)


@pytest.mark.parametrize(("name", "version"), [("", None), (None, None), ("add_sub", "x"), ("add_sub", -1)])
def test_an_invalid_name_or_version(name: Any, version: Any) -> None:
    with pytest.raises(PyTritonClientValueError, match=r"^model_(name|version): .*; expected a|the name of"):
        ModelClient("localhost", name, version)


def test_a_decoupled_model_needs_its_client(url: str) -> None:
    with (
        ModelClient(url, "counted") as client,
        pytest.raises(PyTritonClientInferenceServerError, match=r"^model counted is decoupled; use DecoupledModelC"),
    ):
        client.infer_sample(np.array([1], np.int32))
