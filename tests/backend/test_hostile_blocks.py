"""Response blocks with one error each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.support.adversaries.hostile_worker import (
    INPUTS,
    LABEL,
    LIMIT,
    SIZE,
    Answer,
    B,
    Change,
    Y,
    b,
    block,
    entries,
    label,
    outcome,
    provoke,
    run_hostile,
    table,
    y,
)
from tests.support.backend.server import TIMEOUT, Backend

BLOCKS: dict[str, tuple[Change, str]] = {
    "magic": (block(magic=b"PTRQ"), "not a response block of this version"),
    "version": (block(version=2), "not a response block of this version"),
    "length too small": (block(length=31), "for another batch"),
    "length too large": (block(length=1 << 20), "for another batch"),
    "request count": (block(requests=2), "for another batch"),
    "no request": (block(requests=0), "for another batch"),
    "more outputs than entries": (block(outputs=3), "that is truncated"),
    "outputs beyond the block": (block(entries=[Y], outputs=2), "that is truncated"),
    "outputs beyond 32 bits": (block(outputs=0xFFFFFFFF), "that is truncated"),
    "unknown outcome": (outcome(9, 0, 0), "unknown outcome"),
    "huge outcome": (outcome(0xFFFFFFFF, 0, 0), "unknown outcome"),
    "text beyond the block": (outcome(1, 10, 1 << 20), "error text outside its block"),
    "text across the end": (outcome(1, 10, 235), "error text outside its block"),
    "text whose end overflows": (outcome(1, 10, 2**64 - 4), "error text outside its block"),
    "text too long": (
        block(outcomes=[(1, 4097, 144)], entries=[Y], messages=b"x" * 4097),
        "error text outside its block",
    ),
    "a text where all is well": (outcome(0, 4097, 0), "error text outside its block"),
    "no output": (entries(), "a requested output is missing"),
    "one output missing": (entries(Y), "a requested output is missing"),
    "an output twice": (block(entries=[Y, Y]), "comes twice"),
    "an output that is not declared": (entries(Y, LABEL._replace(tensor=2)), "not declared"),
    "a huge index": (entries(Y, LABEL._replace(tensor=0xFFFFFFFF)), "not declared"),
    "another data type": (y(dtype=8), "another data type"),
    "no data type": (y(dtype=0), "another data type"),
    "an unknown data type": (y(dtype=255), "another data type"),
    "another request": (y(first=1), "not in the batch"),
    "no request covered": (y(requests=0), "not in the batch"),
    "more requests than there are": (y(requests=2), "not in the batch"),
    "requests that overflow": (y(first=0xFFFFFFFF, requests=2), "not in the batch"),
    "rank 0": (block(rank=0), "another rank"),
    "rank 1": (block(rank=1), "another rank"),
    "rank 9": (block(rank=9), "another rank"),
    "rank 255": (block(rank=255), "another rank"),
    "two rows": (y(dims=(2, 1)), "another number of rows"),
    "no rows": (y(dims=(0, 2), length=0), "another number of rows"),
    "negative rows": (y(dims=(-1, 2)), "another number of rows"),
    "a negative dimension": (y(dims=(1, -2)), "an output with an invalid shape"),
    "elements that overflow": (y(dims=(1, 2**62)), "length does not fit"),
    "elements that overflow to nothing": (y(dims=(1, 2**62), length=0), "length does not fit"),
    "another fixed dimension": (label(dims=(1, 2)), "another shape"),
    "too short": (y(length=4), "length does not fit"),
    "too long": (y(length=12), "length does not fit"),
    "a length of nothing": (y(length=0), "length does not fit"),
    "an offset beyond the segment": (y(offset=SIZE + 64), "outside its segment"),
    "an offset across the end": (y(offset=SIZE - 64, length=128, dims=(1, 32)), "outside its segment"),
    "an offset that overflows": (y(offset=2**64 - 64, length=128, dims=(1, 32)), "outside its segment"),
    "a huge length": (y(length=2**64 - 1), "outside its segment"),
    "an offset that is not aligned": (y(offset=8), "outside its segment"),
    "unknown flags": (y(flags=2), "outside its segment"),
    "all flags": (y(flags=0xFFFF), "outside its segment"),
    "text in the request segment": (label(flags=1), "strings that are not in the response segment"),
    "beyond the request segment": (y(flags=1, offset=SIZE), "outside its segment"),
    "across the end of the request segment": (
        y(flags=1, offset=SIZE - 64, length=128, dims=(1, 32)),
        "outside its segment",
    ),
    "no room for the table": (label(length=15), "without its table"),
    "more output than the limit": (y(length=LIMIT + 4, dims=(1, LIMIT // 4 + 1)), "more output than the model's limit"),
}
"""Invalid blocks by name, with the message of the backend."""

SHAPES: dict[str, tuple[Change, str]] = {
    "one negative": (b(dims=(1, -2, 3)), "an output with an invalid shape"),
    "two negative": (b(dims=(-1, -2, 3)), "an output with an invalid shape"),
    "overflow": (b(dims=(2**62, 2**62, 3)), "an output with an invalid shape"),
    "overflow to the right length": (b(dims=(2**63 - 1, 2, 3)), "an output with an invalid shape"),
    "a fixed dimension": (b(dims=(1, 3, 2)), "another shape"),
    "another rank": (b(dims=(2, 3)), "another rank"),
    "two entries": (entries(B, B), "that is truncated"),
    "two requests": (b(requests=2), "not in the batch"),
}
"""The same for a model without a batch axis, with two free dimensions."""

LENIENT = {
    "rank 0": (block(entries=[B], rank=0), "another rank"),
    "rank 9": (block(entries=[B], rank=9), "another rank"),
    "rank 255": (block(entries=[B], rank=255), "another rank"),
    "another length": (b(dims=(4, 3)), "length does not fit"),
    "another data type": (b(dtype=8), "another data type"),
    "two entries": (entries(B, B), "that is truncated"),
}
"""The same for a model whose outputs may be missing, and have any shape."""

TABLES = {
    "an end beyond the data": table(0, 3),
    "an end that overflows": table(0, 2**64 - 1),
    "a start behind the end": table(2, 1),
    "a start beyond the data": table(1 << 40, 1 << 40),
}


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    with run_hostile(tmp_path_factory.mktemp("hostile")) as running:
        yield running


@pytest.mark.parametrize("name", BLOCKS)
def test_a_wrong_block(backend: Backend, name: str) -> None:
    change, expected = BLOCKS[name]
    wrong = Answer()
    change(wrong)
    provoke(backend, wrong.send, expected)


@pytest.mark.parametrize("name", SHAPES)
def test_a_wrong_shape_of_a_model_without_a_batch_axis(backend: Backend, name: str) -> None:
    change, expected = SHAPES[name]
    wrong = Answer()
    change(wrong)
    provoke(backend, wrong.send, expected, "shaped")


@pytest.mark.parametrize("name", LENIENT)
def test_a_wrong_block_of_a_lenient_model(backend: Backend, name: str) -> None:
    change, expected = LENIENT[name]
    wrong = Answer()
    change(wrong)
    provoke(backend, wrong.send, expected, "lenient")


@pytest.mark.parametrize("name", TABLES)
def test_a_wrong_table_of_offsets(backend: Backend, name: str) -> None:
    wrong = Answer()
    TABLES[name](wrong)
    provoke(backend, wrong.send, "an invalid table of offsets")


def test_texts_and_outputs_that_only_look_wrong_are_taken(backend: Backend) -> None:
    """An output that was not requested is left out, the text of an error may be empty, and so may an output."""
    empty = replace(Answer(), entries=[Y._replace(length=0, dims=(1, 0)), LABEL])
    worker = backend.connect(1)
    answer = backend.infer("golden", INPUTS["golden"])
    worker.receive()
    empty.send(worker)
    assert answer.result(TIMEOUT)["y"].shape == (1, 0)
    backend.disconnect(worker)
