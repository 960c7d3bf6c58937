"""One request and its response, over both protocols, from ordinary functions."""

from __future__ import annotations

import asyncio
import os
import threading
import warnings
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, wait
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from pytriton_plugins.client import (
    AsyncClient,
    Client,
    ClientError,
    InvalidInput,
    ModelInfo,
    ModelNotFound,
    Result,
    TensorInfo,
)
from pytriton_plugins.testing import RunningHost
from tests.support.models.kinds import NUMBERS

ADD = "its inputs are a (FP32 [-1, -1]), b (FP32 [-1, -1])"

TOLD = "words (BYTES [-1, -1]), count (INT32 [-1, 1]) -> word (BYTES [-1, 1]), pair (FP64 [-1, -1, 2])"

SURROGATE = "'\\ud800' is not valid Unicode; remove its surrogates"

ROWS = "in their number of rows (a 1, b 2); pass the same number for each"


def test_numpy_in_and_out(client: Client) -> None:
    result = client["add"](a=[[1, 2]], b=np.array([[3, 4]], np.float32))
    assert isinstance(result, Result)
    assert result["sum"].tolist() == [[4, 6]]
    assert result["sum"].dtype == np.float32
    assert (result.model, result.version, result.id) == ("add", "1", "")
    result["sum"][0, 0] = 1  # a caller may write to it


@pytest.mark.parametrize("kind", NUMBERS, ids=lambda kind: np.dtype(kind).name)
def test_every_dtype_arrives_unchanged(client: Client, kind: Any) -> None:
    name = np.dtype(kind).name
    array = np.array([[[0, 1], [1, 0]]], kind)
    result = client["mirror"]({name: array})
    assert result[name].dtype == array.dtype
    assert result[name].tolist() == array[:, ::-1].tolist()


def test_bfloat16(client: Client) -> None:
    result = client["doubled"](x=[[1.5, -2]])
    assert result["y"].dtype == ml_dtypes.bfloat16
    assert result["y"].tolist() == [[3, -4]]


def test_strings_are_bytes_in_the_result(client: Client) -> None:
    result = client["strings"](raw=[[b"a\0b", ""]], text=[["é", b"x"]])
    assert result["raw"].tolist() == [[b"b\0a", b""]]
    assert result["text"].tolist() == [["É".encode(), b"X"]]


def test_a_single_value_fills_an_input_of_one_element(client: Client) -> None:
    assert client["scalars"](x=2)["product"].tolist() == [[20]]
    assert client["scalars"](x=np.float64(2), factor=[[3]])["product"].tolist() == [[6]]
    assert client["unbatched"](matrix=np.ones((2, 3), np.int64), add=1)["total"].tolist() == [6]


def test_an_optional_input_may_be_none(client: Client) -> None:
    assert client["scalars"](x=2, factor=None)["had_factor"].tolist() == [[False]]


def test_an_array_without_elements_and_one_that_is_not_contiguous(client: Client) -> None:
    assert client["add"](a=np.zeros((2, 0), np.float32), b=np.zeros((2, 0), np.float32))["sum"].shape == (2, 0)
    turned = np.arange(6, dtype=np.float32).reshape(2, 3).T
    assert client["add"](a=turned, b=turned)["sum"].tolist() == (2 * turned).tolist()


def test_a_large_array(client: Client) -> None:
    large = np.random.default_rng(1).random((16, 1 << 16), np.float32)
    np.testing.assert_array_equal(client["add"](a=large, b=large)["sum"], large + large)


def test_names_that_are_no_keywords_or_are_options(client: Client) -> None:
    result = client["awkward"]({"timeout": [[5]], "images:0": [[1, 2]]}, timeout=30)
    assert result["both"].tolist() == [[8]]
    with pytest.raises(InvalidInput) as raised:
        client["awkward"]({"images:0": [[1, 2]]}, timeout=30)
    message = 'model awkward: timeout= is an option of the call and an input; pass the inputs as {"timeout": …}'
    assert str(raised.value) == message


def test_an_optional_input_with_the_name_of_an_option_may_be_left_out(client: Client) -> None:
    """The client has a timeout of its own."""
    patient = client["patient"]
    assert patient(x=1)["given"].tolist() == [[-1]]
    assert patient({"x": 1}, timeout=30)["given"].tolist() == [[-1]]
    assert patient({"x": 1, "timeout": 5}, timeout=30)["given"].tolist() == [[5]]
    with pytest.raises(InvalidInput, match=r"^model patient: timeout= is an option of the call and an input; "):
        patient(x=1, timeout=30)


def test_what_goes_with_a_request_arrives(client: Client) -> None:
    parameters: dict[str, str | float] = {
        "text": "x",
        "yes": True,
        "whole": -3,
        "half": 0.5,
        "sequence_id": 9,
        "priority": 1,
    }
    result = client["echoed", 1](
        x=1, id="mine", parameters=parameters, headers={"X-Team": "blue"}, timeout=30, outputs=["y"]
    )
    assert result.id == "mine"
    got = {name: value for name, value in result.parameters.items() if name.startswith("got-")}
    assert got == {"got-text": "x", "got-yes": True, "got-whole": -3, "got-half": 0.5, "got-x-team": "blue"}
    assert (result.parameters["timeout"], result.parameters["correlation"]) == (30, "9")


def test_headers_of_the_client_go_with_each_request(url: str) -> None:
    with Client(url, headers={"x-team": "red"}) as client:
        assert client["echoed", 1](x=1).parameters["got-x-team"] == "red"
        assert client["echoed", 1](x=1, headers={"x-team": "own"}).parameters["got-x-team"] == "own"


def test_versions(client: Client) -> None:
    assert client["echoed"](x=2)["y"].tolist() == [[6]]
    assert client["echoed", 1](x=2)["y"].tolist() == [[2]]
    assert client["echoed", 1](x=2, version="3").version == "3"
    with pytest.raises(ModelNotFound, match=r"^model echoed: .*'echoed' version 2 is not found; check the name and"):
        client["echoed"](x=2, version=2)


def test_some_outputs(client: Client) -> None:
    assert list(client["strings"](raw=[["a"]], text=[["b"]], outputs=["lengths"])) == ["lengths"]


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"a": [[1]]}, f"missing input b; {ADD}"),
        ({"a": [[1]], "b": [[1]], "c": 1}, f"unknown input c; {ADD}"),
        ({"a": [[1]], "b": [1]}, "input b: invalid shape [1]: expected [-1, -1]; the first axis is the batch"),
        ({"a": [[1]], "b": 1}, "input b: invalid shape []: expected [-1, -1]; the first axis is the batch"),
        ({"a": [[1]], "b": [["x"]]}, "input b: text, expected np.float32; pass numbers"),
        ({"a": [[1]], "b": [[1], [2]]}, f"the inputs differ {ROWS}"),
        ({"a": [[1]] * 65, "b": [[1]] * 65}, "65 rows: the model takes 64 in one request; send them in parts"),
        ({"a": [[1]], "b": None}, "input b: a NoneType; pass an array, a list or a single value"),
    ],
)  # fmt: skip
def test_inputs_that_do_not_fit_are_one_line(client: Client, inputs: Any, message: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        client["add"](inputs)
    assert str(raised.value) == f"model add: {message}"
    assert (raised.value.code, raised.value.model) == ("INVALID_ARG", "add")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"timeout": 0}, "invalid timeout 0: expected seconds above 0, or None"),
        ({"timeout": "1"}, "invalid timeout '1': expected seconds above 0, or None"),
        ({"version": "newest"}, "invalid version 'newest': expected a whole number"),
        ({"headers": {"a b": "c"}}, "invalid header 'a b': expected a name such as authorization"),
        ({"headers": {"a": "é\n"}}, "header a: invalid value: expected a text of printable ASCII characters"),
        ({"parameters": {"p": [1]}}, "model add: parameter p is a list; pass a text, a number, or true or false"),
        ({"parameters": {"p": 2**64}}, "model add: parameter p is out of range; pass a whole number of 64 bits"),
        ({"outputs": ["summ"]}, "model add: unknown output summ; did you mean sum?; its outputs are sum"),
        ({"outputs": "sum"}, "model add: outputs='sum' is a text; write a list of names"),
        ({"outputs": 3}, "model add: outputs=3 is not a list; write a list of names"),
        ({"outputs": [["sum"]]}, "model add: unknown output ['sum']; did you mean sum?; its outputs are sum"),
        ({"headers": {"a+b": "c"}}, "invalid header 'a+b': expected a name such as authorization"),
        ({"headers": {"X-Bin": "c"}}, "invalid header 'X-Bin': expected a name such as authorization"),
        ({"headers": [1]}, "headers=[1] is a list; pass a dict by name"),
        ({"parameters": [1]}, "model add: the parameters are a list; pass a dict by name"),
        ({"parameters": {1: 2}}, "model add: parameter 1: its name is not a text"),
        ({"parameters": {"priority": -1}}, "model add: parameter priority is -1; pass a whole number from 0"),
        ({"parameters": {"p": "\ud800"}}, f"parameter 'p': {SURROGATE}"),
        ({"id": "\ud800"}, f"id: {SURROGATE}"),
    ],
)
def test_options_that_cannot_be_used(client: Client, options: Any, message: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        client["add"](a=[[1]], b=[[1]], **options)
    assert str(raised.value) == message


def test_an_input_twice_and_inputs_that_are_no_mapping(client: Client) -> None:
    with pytest.raises(InvalidInput, match=r"^model add: input a is given twice; remove one of them$"):
        client["add"]({"a": [[1]]}, a=[[1]])
    wrong: Any = [[1]]
    with pytest.raises(InvalidInput, match=r"^model add: the inputs are a list; pass them by keyword, or as one dict"):
        client["add"](wrong)


def test_a_wrong_key(client: Client) -> None:
    wrong: Any = 3
    with pytest.raises(InvalidInput, match=r'^invalid model 3: write client\["NAME"\] or client\["NAME", VERSION\]$'):
        client[wrong]


def test_the_description_of_a_model(client: Client) -> None:
    x = TensorInfo("x", "FP64", (1,))
    factor = TensorInfo("factor", "FP64", (1,), optional=True)
    outputs = (TensorInfo("product", "FP64", (1,)), TensorInfo("had_factor", "BOOL", (1,)))
    assert client["scalars"].describe() == ModelInfo("scalars", (x, factor), outputs, 64)
    assert client["told"].describe().streams


def test_readiness(client: Client) -> None:
    client.wait()
    client["add"].wait()
    assert client.is_ready()
    assert client["add"].is_ready()
    assert not client["nothing"].is_ready()


def test_a_future(client: Client) -> None:
    futures = [client["echoed", 1].submit(x=number) for number in range(50)]
    wait(futures, 60)
    assert [int(future.result()["y"][0, 0]) for future in futures] == list(range(50))
    assert isinstance(futures[0], Future)
    with pytest.raises(InvalidInput, match="missing input x"):
        client["echoed"].submit()


def test_threads_share_a_client(client: Client) -> None:
    wrong: list[object] = []

    def ask(first: int) -> None:
        for number in range(first, first + 25):
            if client["echoed", 1](x=number)["y"].tolist() != [[number]]:
                wrong.append(number)

    threads = [threading.Thread(target=ask, args=(100 * each,)) for each in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert wrong == []


def test_a_forked_child_is_told_to_make_its_own_client(client: Client) -> None:
    client["echoed"](x=1)
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of a fork beside threads
        child = os.fork()
    if child == 0:
        try:
            client["echoed"](x=1)
        except Exception as error:
            os.write(writing, f"{type(error).__name__}: {error}".encode())
        client.close()
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as told:
        text = told.read()
    assert os.waitpid(child, 0)[1] == 0
    assert text == (
        f"ClientClosed: the client was made in process {os.getpid()}, and this one was forked from it; "
        "make a client in each process"
    )
    assert client["echoed", 1](x=1)["y"].tolist() == [[1]]


def test_the_name_of_a_client(host: RunningHost) -> None:
    with Client(host.grpc) as client:
        assert client.url == f"grpc://{host.grpc}"
        name = f"Client('grpc://{host.grpc}')"
        assert repr(client["add", 2]) == f"{name}['add', 2]"
        assert str(client["told"].describe()) == f"told: {TOLD} in each response of a stream"
        assert repr(client["told"]) == f"<{name}['told']: {TOLD}>"


def test_a_traceback_shows_the_line_of_the_caller_and_no_more(client: Client) -> None:
    model = client["failing"]
    calls: list[Callable[[], object]] = [
        lambda: model(code="oh no"),
        lambda: model(code=[[1, 2]]),
        lambda: model.submit(),
        lambda: model.stream(x=1),
        lambda: client["nothing"].describe(),
        lambda: model(timeout=0),
        lambda: next(client["told"].stream(words=[["a"]], count=0)),
    ]
    for call in calls:
        with pytest.raises(ClientError) as raised:
            call()
        assert len(raised.traceback) <= 4  # this test, the lambda, and one or two methods
        assert raised.value.__suppress_context__


def test_a_traceback_of_an_asynchronous_client_is_as_short(url: str) -> None:
    async def main() -> None:
        async with AsyncClient(url) as client:
            model = client["failing"]
            calls: list[Callable[[], Awaitable[object]]] = [
                lambda: model(code="oh no"),
                lambda: anext(model.stream(timeout=0)),
                lambda: anext(model.stream(x=1)),
                lambda: anext(client["nothing"].stream(x=1)),
            ]
            for call in calls:
                with pytest.raises(ClientError) as raised:
                    await call()
                assert len(raised.traceback) <= 4

    asyncio.run(main())
