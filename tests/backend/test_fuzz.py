"""Answers with random changes: each fails at most its own request, and tritonserver keeps running.

Checks find most of the changes. An answer that passes the checks is sent with the content of the segment.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tritonclient.utils import InferenceServerException

from pytriton_plugins.shm import wire
from pytriton_plugins.shm.wire import ChannelMessage
from tests.support.adversaries.hostile_worker import BLOCK_AT, INPUTS, SIZE, Answer, run_hostile, serve_one
from tests.support.backend.server import TIMEOUT, Backend, sealed
from tests.support.backend.worker_end import WorkerEnd

LENGTH = len(Answer().block())
TENSORS = 128

extreme = st.sampled_from([0, 1, 2, 7, 8, 63, 64, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**63, 2**64 - 64, 2**64 - 1])
value = st.one_of(extreme, st.integers(0, 2**64 - 1), st.integers(0, 2 * SIZE))
width = st.sampled_from([1, 2, 4, 8])
HEADER = [(0, 4), (4, 2), (6, 2), (8, 4), (12, 4), (16, 4)]
OUTCOME = [(0, 4), (4, 4), (8, 8)]
ENTRY = [(0, 4), (4, 1), (5, 1), (6, 2), (8, 4), (12, 4), (16, 8), (24, 8), (32, 8), (40, 8)]
FIELDS = [*HEADER, *((32 + at, size) for at, size in OUTCOME)]
FIELDS += [(start + at, size) for start in (48, 144) for at, size in ENTRY]
"""Of the block: where, and how many bytes."""
field = st.sampled_from(FIELDS).map(lambda place: ("block", *place))
anywhere = st.tuples(st.sampled_from(["block", "tensors"]), st.integers(0, LENGTH - 1), width)
change = st.tuples(field | anywhere, value).map(lambda both: (*both[0], both[1]))
fields = st.dictionaries(st.sampled_from(ChannelMessage._fields), value, max_size=1)
"""Changes of the message."""


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    with run_hostile(tmp_path_factory.mktemp("fuzz")) as running:
        yield running


class Workers:
    """The worker of the next request: a new one after the last lost its channel."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._worker: WorkerEnd | None = None

    def get(self) -> WorkerEnd:
        if self._worker is None:
            self._worker = self._backend.connect(1)
        return self._worker

    def lost(self) -> None:
        assert self._worker is not None
        assert self._backend.lost.get(timeout=TIMEOUT) == self._worker.number
        self._worker.close()
        self._worker = None

    def end(self) -> None:
        if self._worker is not None:
            self._backend.disconnect(self._worker)


def changed(changes: list[tuple[str, int, int, int]]) -> bytes:
    """The segment of the correct answer, with the changes."""
    content = bytearray(SIZE)
    answer = Answer()
    content[: len(answer.tensors)] = answer.tensors
    content[BLOCK_AT : BLOCK_AT + LENGTH] = answer.block()
    for where, at, size, number in changes:
        start = BLOCK_AT + at if where == "block" else at % TENSORS
        content[start : start + size] = (number % (1 << 8 * size)).to_bytes(size, "little")
    return bytes(content)


def test_answers_changed_at_random(backend: Backend) -> None:
    workers = Workers(backend)

    @settings(
        max_examples=1000,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],  # to look for a smaller failure may mean to wait again and again
    )
    @given(st.lists(change, min_size=1, max_size=3), fields)
    def try_one(changes: list[tuple[str, int, int, int]], message: dict[str, int]) -> None:
        worker = workers.get()
        request = backend.infer("golden", INPUTS["golden"])
        asked = worker.receive()
        done = ChannelMessage(wire.DONE, wire.NEW_SEGMENT, 0, 900, asked.batch, BLOCK_AT, LENGTH)
        limits = {"offset": 2**64, "length": 2**64, "batch": 2**64}
        done = done._replace(**{name: number % limits.get(name, 2**32) for name, number in message.items()})
        done = done._replace(flags=done.flags & ~wire.RETIRED)  # for which the host would have to send a segment
        segment = sealed(SIZE, changed(changes))
        worker.send(wire.CHANNEL_MESSAGE.pack(*done), segment)
        os.close(segment)
        error = request.exception(TIMEOUT)
        assert error is None or isinstance(error, InferenceServerException)
        assert backend.alive
        if error is not None and "broke the protocol" in str(error):
            workers.lost()

    try_one()
    workers.end()
    serve_one(backend)
