"""Callables that are bound to a real server, and what clients get from them."""

from __future__ import annotations

import functools
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytriton.decorators import batch, sample
from pytriton.exceptions import PyTritonInvalidOperationError, PyTritonUnrecoverableError, PyTritonValidationError
from pytriton.model_config import ModelConfig, Tensor
from pytriton.triton import RemoteTriton, Triton, TritonConfig, VertextAILifecyclePolicy
from pytriton_plugins import Host
from pytriton_plugins.client import Client, ModelFailed
from pytriton_plugins.testing import wait_until

X, Y = Tensor((-1,), np.float32, "x"), Tensor((-1,), np.float32, "y")
ONE = np.array([[1, 2]], np.float32)
PORTS = TritonConfig(http_port=0, grpc_port=0, metrics_port=0, http_address="127.0.0.1")


def url(triton: Triton) -> str:
    assert isinstance(triton._host, Host)
    return triton._host.http_url


def answer(triton: Triton, callable_: Any, x: Any = ONE, outputs: Any = (Y,), **more: Any) -> Any:
    """What a client gets from ``callable_``."""
    triton.bind("model", callable_, [X], list(outputs), **more)
    with Client(url(triton)) as client:
        return {name: array.tolist() for name, array in client["model"](x=x).items()}


class Model:
    def __call__(self, requests: Any) -> Any:
        return [{"y": each["x"] * 2} for each in requests]

    @batch
    def method(self, x: Any) -> Any:
        return [x * 2]


async def awaited(requests: Any) -> Any:
    return [{"y": each["x"] * 2} for each in requests]


async def awaited_batch(x: Any) -> Any:
    return {"y": x * 2}


def generated(requests: Any) -> Any:
    yield [{"y": each["x"] * 2} for each in requests]


def times(by: float, requests: Any) -> Any:
    return [{"y": each["x"] * by} for each in requests]


FORMS = {
    "a function": lambda requests: times(2, requests),
    "an instance": Model(),
    "a bound method": Model().method,
    "a partial": functools.partial(times, 2),
    "a coroutine function": awaited,
    "an awaited batch": batch(awaited_batch),
    "a generator": generated,
    "a list": [Model(), Model().method],
    "a sample": sample(lambda x: {"y": x * 2}),
}


@pytest.mark.parametrize("form", FORMS)
def test_any_callable_can_be_bound(triton: Triton, form: str) -> None:
    assert answer(triton, FORMS[form]) == {"y": [[2, 4]]}


LENIENT = {
    "an undeclared output is dropped": ({"y": ONE, "z": ONE}, {"y": [[1, 2]]}),
    "a missing output is left out": ({}, {}),
    "numbers are converted": ({"y": ONE.astype(np.int64)}, {"y": [[1, 2]]}),
    "a shape is as it is": ({"y": np.ones((1, 3, 2))}, {"y": [[[1, 1]] * 3]}),
}


@pytest.mark.parametrize("case", LENIENT)
def test_without_strict(triton: Triton, case: str) -> None:
    result, expected = LENIENT[case]
    assert answer(triton, lambda requests: [result]) == expected


@pytest.mark.parametrize("case", [*LENIENT][:3])
def test_with_strict(triton: Triton, case: str) -> None:
    with pytest.raises(ModelFailed, match="output"):
        answer(triton, lambda requests: [LENIENT[case][0]], strict=True)


def test_texts_of_numpy_are_sent_as_utf_8(triton: Triton) -> None:
    text = Tensor((-1,), bytes, "y")
    assert answer(triton, lambda requests: [{"y": np.array([["ä", "b"]])}], outputs=[text]) == {
        "y": [["ä".encode(), b"b"]]
    }


def test_inputs_can_be_written_to(triton: Triton) -> None:
    @batch
    def changed(x: Any) -> Any:
        x += 1
        return {"y": x}

    assert answer(triton, changed) == {"y": [[2, 3]]}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda requests: None, "expected a list with a dict for each request, got NoneType"),
        (lambda requests: [], "0 results for 1 requests"),
        (lambda requests: [[1.0]], "expected a dict of arrays for a request, got list"),
        (lambda requests: [{"y": [1.0]}], "output y: expected a numpy array, got list"),
        (lambda requests: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_an_error_reaches_the_client_in_one_line(triton: Triton, wrong: Callable[..., Any], message: str) -> None:
    with pytest.raises(ModelFailed, match=message) as caught:
        answer(triton, wrong)
    assert "\n" not in str(caught.value)


def test_a_request_without_a_batch_axis(triton: Triton) -> None:
    config = ModelConfig(batching=False)
    assert answer(triton, lambda requests: [{"y": requests[0]["x"] + 1}], x=ONE[0], config=config) == {"y": [2, 3]}


def test_a_model_without_inputs(triton: Triton) -> None:
    triton.bind("clock", lambda requests: [{"y": ONE[0]}], [], [Y], config=ModelConfig(batching=False))
    with Client(url(triton)) as client:
        assert client["clock"]()["y"].tolist() == [1, 2]


def test_requests_of_different_shapes_are_not_joined(triton: Triton) -> None:
    release = threading.Event()
    shapes = []

    def held(requests: Any) -> Any:
        shapes.append({each["x"].shape[1:] for each in requests})
        release.wait(60)
        return [{"y": each["x"]} for each in requests]

    triton.bind("held", held, [X], [Y])
    with Client(url(triton)) as client:
        futures = [client["held"].submit(x=np.ones((1, size), np.float32)) for size in (1, 2, 3, 1, 2, 3)]
        wait_until(lambda: bool(shapes), 60, "the first call runs")
        release.set()
        assert [future.result()["y"].shape[1] for future in futures] == [1, 2, 3, 1, 2, 3]
    assert all(len(each) == 1 for each in shapes)


def test_a_cache_that_would_answer_wrongly_is_left_out(triton: Triton, caplog: pytest.LogCaptureFixture) -> None:
    config = ModelConfig(response_cache=True)
    assert answer(triton, Model(), config=config) == {"y": [[2, 4]]}
    assert "model model is served without a response cache" in caplog.text


def test_another_process_binds_to_the_server(triton: Triton, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(triton._host, Host)
    monkeypatch.setenv("PYTRITON_HOST_RUN_DIR", str(tmp_path))
    remote = RemoteTriton(url(triton))
    with ThreadPoolExecutor(1) as pool:
        connecting = pool.submit(remote.connect)  # waits for the server
        monkeypatch.setenv("PYTRITON_HOST_RUN_DIR", os.path.dirname(triton._host._daemon.folder))
        connecting.result(60)
    with remote, Client(url(triton)) as client:
        remote.bind("theirs", Model(), [X], [Y])
        assert remote.is_connected()
        assert client["theirs"](x=ONE)["y"].tolist() == [[2, 4]]
    with Client(url(triton)) as client:
        assert not client["theirs"].is_ready()
    assert triton.is_alive()


def test_what_the_daemon_refuses_is_an_error_of_bind(triton: Triton) -> None:
    with pytest.raises(PyTritonValidationError, match=r"model refused: .*dtype"):
        triton.bind("refused", Model(), [Tensor((1,), np.complex64, "x")], [Y])


def test_a_server_starts_with_run_and_again_with_a_block() -> None:
    triton = Triton(config=PORTS)
    triton.bind("model", Model(), [X], [Y])
    assert not triton.is_alive()
    assert not triton.stop()
    triton.run()
    assert triton.is_connected()
    assert triton.stop()
    assert not triton.is_alive()
    with triton:
        assert triton.is_connected()
        assert answer(triton, Model()) == {"y": [[2, 4]]}
    assert not triton.is_alive()


def test_a_block_that_cannot_be_entered_leaves_no_server() -> None:
    triton = Triton(config=PORTS)
    triton.bind("refused", Model(), [Tensor((1,), np.complex64, "x")], [Y])
    with pytest.raises(PyTritonValidationError, match="model refused"):
        triton.__enter__()
    assert not triton.is_alive()


def test_a_policy_may_leave_the_start_to_run() -> None:
    with Triton(config=PORTS, triton_lifecycle_policy=VertextAILifecyclePolicy) as triton:
        assert not triton.is_alive()


def test_a_port_in_use_is_an_error_of_run(triton: Triton) -> None:
    taken = int(url(triton).rpartition(":")[2])
    other = Triton(config=TritonConfig(http_port=taken, grpc_port=0, metrics_port=0, http_address="127.0.0.1"))
    with pytest.raises(PyTritonInvalidOperationError, match=f"http port {taken} on 127.0.0.1 is in use") as raised:
        other.run()
    assert "choose another with TritonConfig(http_port=PORT)" in str(raised.value)


def test_an_unrecoverable_error_ends_serve_and_the_server() -> None:
    def broken(requests: Any) -> Any:
        raise PyTritonUnrecoverableError("the device is lost")

    triton = Triton(config=PORTS)
    triton.bind("broken", broken, [X], [Y])
    serving = threading.Thread(target=triton.serve)
    serving.start()
    wait_until(triton.is_connected, 60, "it serves")
    with Client(url(triton)) as client, pytest.raises(ModelFailed, match="the device is lost"):
        client["broken"](x=ONE)
    serving.join(60)
    assert not serving.is_alive()
    assert not triton.is_alive()


@pytest.mark.parametrize("is_noticed", [False, True], ids=["", "before serve"])
def test_the_end_of_the_daemon_is_an_error_of_serve(is_noticed: bool) -> None:
    """Once: after that, `serve` would start another one."""
    triton = Triton(config=PORTS)
    triton.bind("model", Model(), [X], [Y])
    triton.run()
    assert isinstance(triton._host, Host)
    os.kill(triton._host.pid, signal.SIGKILL)
    if is_noticed:
        wait_until(lambda: triton._error is not None, what="the end of the daemon is noticed")
    with pytest.raises(PyTritonInvalidOperationError, match="was killed"):
        triton.serve()
    assert not triton.is_alive()
    assert triton._error is None
