"""Streams of responses, over both protocols."""

from __future__ import annotations

import asyncio
import gc
import threading

import numpy as np
import pytest

from pytriton_plugins.client import (
    AsyncClient,
    Client,
    DeadlineExceeded,
    InvalidInput,
    ModelFailed,
    ModelNotFound,
    Unavailable,
    Unsupported,
)
from pytriton_plugins.client.transport.response_time import ResponseWatch
from pytriton_plugins.testing import RunningHost
from tests.support.sandbox.logs import wait_logged

TWO_ROWS = "input words has 2 rows, and HTTP streams carry one"
TWICE = "the parameter count has the name of an input"


def test_each_response_as_it_arrives(client: Client) -> None:
    parts = [*client["told"].stream(words=[["a", "é", ""]], count=-1)]
    assert [part["word"].tolist() for part in parts] == [[[b"a"]], [["é".encode()]], [[b""]]]
    assert [part["pair"].shape for part in parts] == [(1, 0, 2), (1, 1, 2), (1, 2, 2)]
    assert parts[2]["pair"].tolist() == [[[2.5, 2.5], [2.5, 2.5]]]
    assert parts[0]["pair"].dtype == np.float64


def test_a_stream_without_responses_and_a_model_that_does_not_stream(client: Client) -> None:
    assert [*client["told"].stream(words=np.empty((1, 0), object), count=-1)] == []
    assert [part["y"].tolist() for part in client["echoed", 1].stream(x=4)] == [[[4]]]


def test_an_error_in_the_middle(client: Client) -> None:
    """Over HTTP the code is lost: the response has begun with status 200."""
    stream = client["told"].stream(words=[["a", "b"]], count=1)
    assert next(stream)["word"].tolist() == [[b"a"]]
    kind = Unavailable if client.url.startswith("grpc") else ModelFailed
    with pytest.raises(kind, match=r"^model told: enough$"):
        next(stream)


def test_mistakes_are_raised_by_the_call(client: Client) -> None:
    with pytest.raises(InvalidInput, match=r"^model told: missing input count; "):
        client["told"].stream(words=[["a"]])
    with pytest.raises(ModelNotFound):
        client["nothing"].stream(words=[["a"]])


def test_a_response_timeout_is_for_each_response(client: Client) -> None:
    """A model that answers once counts as a stream of one response."""
    for seconds, number in ((30.0, 11), (None, 12)):
        stream = client["endless"].stream(x=number, response_timeout=seconds)
        assert [int(next(stream)["y"][0, 0]) for _ in range(3)] == [0, 1, 2]
        stream.close()
    late = r"^model waiting: no response from .* within 0\.3 s; pass a longer response_timeout=$"
    with pytest.raises(DeadlineExceeded, match=late):
        next(client["waiting"].stream(seconds=60, response_timeout=0.3))
    with pytest.raises(InvalidInput, match=r"^invalid timeout 0: "):
        client["waiting"].stream(seconds=60, response_timeout=0)


def test_a_response_timeout_of_async_streams(url: str) -> None:
    async def main() -> None:
        async with AsyncClient(url) as client:
            numbers = [part async for part in client["told"].stream(words=[["a"]], count=-1, response_timeout=30)]
            assert len(numbers) == 1
            with pytest.raises(DeadlineExceeded, match=r"within 0\.3 s; pass a longer response_timeout=$"):
                await anext(client["waiting"].stream(seconds=60, response_timeout=0.3))

    asyncio.run(main())


def test_the_time_between_two_waits_does_not_count() -> None:
    cancelled = threading.Event()
    watch = ResponseWatch(0.2, cancelled.set)
    assert not cancelled.wait(0.5)  # nothing waits
    with watch:
        assert cancelled.wait(60)
    assert watch.is_late
    watch.close()


def test_a_timeout_is_for_the_whole_stream(client: Client) -> None:
    client["endless"].describe()
    stream = client["endless"].stream(x=10, timeout=0.5)
    with pytest.raises(DeadlineExceeded, match=r"within 0\.5 s"):
        list(stream)


def test_a_stream_that_is_left_ends_at_the_model(client: Client, host: RunningHost) -> None:
    number = 20 if client.url.startswith("grpc") else 30
    stream = client["endless"].stream(x=number)
    next(stream)
    stream.close()
    wait_logged(host, f"endless: {number} closed")
    for part in client["endless"].stream(x=number + 1):
        assert part["y"].tolist() == [[0]]
        break
    gc.collect()
    wait_logged(host, f"endless: {number + 1} closed")


def test_streams_in_parallel(client: Client) -> None:
    streams = [client["endless"].stream(x=40 + number) for number in range(3)]
    for _ in range(3):
        for stream in streams:
            next(stream)
    for stream in streams:
        stream.close()


@pytest.mark.parametrize(
    ("model", "inputs", "options", "message"),
    [
        ("gridded", {"grid": [[[1]]]}, {}, "HTTP streams cannot carry output row (INT8 [-1, -1])"),
        ("doubled", {"x": [[1]]}, {}, "HTTP streams cannot carry output y (BF16 [-1])"),
        ("told", {"words": [["a"], ["b"]], "count": [[1], [1]]}, {}, TWO_ROWS),
        ("told", {"words": [[b"\xff"]], "count": 1}, {}, "input words is not UTF-8, and HTTP streams carry JSON"),
        ("told", {"words": [["a"]], "count": 1}, {"id": "x"}, "HTTP streams have no id="),
        ("told", {"words": [["a"]], "count": 1}, {"outputs": ["word"]}, "HTTP streams have no outputs="),
        ("told", {"words": [["a"]], "count": 1}, {"parameters": {"count": 1}}, TWICE),
    ],
)  # fmt: skip
def test_what_http_cannot_carry(
    host: RunningHost, model: str, inputs: dict[str, object], options: dict[str, object], message: str
) -> None:
    arguments: dict[str, object] = {**options}
    with Client(f"http://{host.http}") as client, pytest.raises(Unsupported) as raised:
        list(client[model].stream(inputs, **arguments))  # type: ignore[arg-type]
    assert str(raised.value) == f"model {model}: {message}; write grpc://… for such a request"


def test_grpc_carries_it(host: RunningHost) -> None:
    with Client(host.grpc) as client:
        parts = [*client["gridded"].stream(grid=[[[1, 2], [3, 4]]])]
        assert [part["row"].tolist() for part in parts] == [[[[1, 2]]], [[[3, 4]]]]
        parts = [*client["told"].stream(words=[["a"]], count=-1, id="x", outputs=["word"])]
        assert [[*part] for part in parts] == [["word"]]


def test_asynchronous_streams(url: str, host: RunningHost) -> None:
    async def main() -> None:
        async with AsyncClient(url) as client:
            words = [part["word"][0, 0] async for part in client["told"].stream(words=[["a", "b"]], count=-1)]
            assert words == [b"a", b"b"]
            with pytest.raises((Unavailable, ModelFailed), match=r"^model told: enough$"):
                async for _ in client["told"].stream(words=[["a", "b"]], count=1):
                    pass
            number = 50 if url.startswith("grpc") else 60
            stream = client["endless"].stream(x=number)
            assert (await anext(stream))["y"].tolist() == [[0]]
            await stream.aclose()
            with pytest.raises(DeadlineExceeded):
                async for _ in client["endless"].stream(x=number, timeout=0.5):
                    pass
        wait_logged(host, f"endless: {number} closed")

    asyncio.run(main())
