"""The options of a call to a model that keeps state between requests."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from pytriton_plugins.client import AsyncClient, Client, InvalidInput, Unsupported

UNSUPPORTED = "^model remembered_twice: HTTP streams have no sequence_id=; write grpc://… for such a request$"
FLAGS: tuple[dict[str, Any], ...] = ({"sequence_start": True}, {}, {"sequence_end": True})
"""The options of three requests of a sequence."""


@pytest.mark.parametrize("sequence", [7, "é"])
def test_a_sequence(client: Client, sequence: Any) -> None:
    model = client["remembered"]
    results = [model(x=5, sequence_id=sequence, **flags) for flags in FLAGS]
    results.append(model.submit(x=5, sequence_id=sequence, sequence_start=True, sequence_end=True).result(60))
    assert [result["sum"].item() for result in results] == [5, 10, 15, 5]


def test_a_sequence_of_an_asynchronous_client(url: str) -> None:
    async def sums() -> list[int]:
        async with AsyncClient(url, timeout=60) as client:
            results = [await client["remembered"](x=2, sequence_id=8, **flags) for flags in FLAGS]
            return [result["sum"].item() for result in results]

    assert asyncio.run(sums()) == [2, 4, 6]


def test_a_sequence_of_streams(client: Client) -> None:
    model = client["remembered_twice"]
    if client.url.startswith("http"):  # what Triton's generate_stream takes from JSON are inputs and parameters of ours
        with pytest.raises(Unsupported, match=UNSUPPORTED):
            next(model.stream(x=3, sequence_id=9, sequence_start=True))
    else:
        parts = [[*model.stream(x=3, sequence_id=9, **flags)] for flags in FLAGS]
        assert [[part["sum"].item() for part in each] for each in parts] == [[3, 3], [6, 6], [9, 9]]


def test_a_sequence_of_asynchronous_streams(url: str) -> None:
    async def sums() -> list[int]:
        async with AsyncClient(url, timeout=60) as client:
            streams = [client["remembered_twice"].stream(x=4, sequence_id=10, **flags) for flags in FLAGS]
            return [part["sum"].item() for stream in streams async for part in stream]

    if url.startswith("http"):
        with pytest.raises(Unsupported, match=UNSUPPORTED):
            asyncio.run(sums())
    else:
        assert asyncio.run(sums()) == [4, 4, 8, 8, 12, 12]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sequence_id": 0}, "invalid sequence_id 0: expected a number above 0, or a text"),
        ({"sequence_id": ""}, "invalid sequence_id '': expected a number above 0, or a text"),
        ({"sequence_id": True}, "invalid sequence_id True: expected a number above 0, or a text"),
        ({"sequence_id": 1.0}, "invalid sequence_id 1.0: expected a number above 0, or a text"),
        ({"sequence_id": 2**64}, f"invalid sequence_id {2**64}: expected a number above 0, or a text"),
        ({"sequence_id": 1, "sequence_start": 1}, "invalid sequence_start 1: expected True or False"),
        ({"sequence_end": True}, "sequence_end=True without a sequence; pass sequence_id= too"),
        (
            {"sequence_id": 1, "parameters": {"sequence_id": 2}},
            "sequence_id is given twice; remove it from the parameters",
        ),
    ],
)
def test_options_that_cannot_be_used(client: Client, options: Any, message: str) -> None:
    for call in (client["remembered"], client["remembered_twice"].stream):
        with pytest.raises(InvalidInput) as raised:
            call(x=1, **options)
        assert str(raised.value) == message
