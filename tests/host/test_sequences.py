"""Models with state, through a real server: tritonclient's own examples, sums, gauges and bad sequences."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc

from pytriton_plugins.testing import RunningHost, run_host, wait_until
from tests.support.measure.figures import FULL
from tests.support.paths import MODELS
from tests.support.traffic.clients import asked_inputs
from tests.support.traffic.scrape import value
from tests.support.traffic.sequences import SequenceClient, interleaved

CLIENTS = 16
EXAMPLES = os.environ.get("PYTRITON_CLIENT_EXAMPLES", "")
"""The folder src/python/examples of triton-inference-server/client; its files belong to others."""

SEQUENCES = 10_000 if FULL else 160
NO_START = "must specify the START flag on the first request of the sequence"


@pytest.fixture(scope="module")
def host() -> Iterator[RunningHost]:
    with run_host(MODELS / "sequences.py") as running:
        yield running


@pytest.mark.skipif(not EXAMPLES, reason="needs PYTRITON_CLIENT_EXAMPLES, a folder of tritonclient's sequence examples")
def test_examples_of_tritonclient_pass(host: RunningHost) -> None:
    """Unmodified, also with the models that add the id to the last sum."""
    for name in ("grpc_sequence_stream", "grpc_sequence_sync", "http_sequence_sync", "grpc_aio_sequence_stream"):
        for options in ([], ["-d"]):
            address = host.http if name.startswith("http") else host.grpc
            program = str(Path(EXAMPLES) / f"simple_{name}_infer_client.py")
            command = [sys.executable, program, "-u", address, *options]
            run = subprocess.run(command, capture_output=True, text=True, timeout=60)
            assert run.returncode == 0, run.stdout + run.stderr
            assert "PASS" in run.stdout.splitlines()[-1]


@pytest.mark.parametrize(("model", "live"), [("summed", 16), ("direct", 2)])
def test_interleaved_sequences_give_exact_sums(host: RunningHost, model: str, live: int) -> None:
    """Ids are numbers and texts; with the direct strategy only six clients have sequences, for twelve may be live."""
    direct = model == "direct"
    answers = interleaved(host, model, SEQUENCES // 2 if direct else SEQUENCES, 6 if direct else CLIENTS, live)
    assert len({answer.pid for answer in answers}) == (1 if direct else 2)
    wait_until(lambda: value(host.metrics, "pytriton_live_sequences", model=model, version="1") == 0)


def test_a_sequence_stays_with_one_worker_and_sequences_spread(host: RunningHost) -> None:
    with SequenceClient(host) as client:
        seen: dict[int, set[int]] = {}
        for turn in range(4):
            for sequence in range(1, 9):
                answer = client.send(sequence, 1, start=turn == 0, end=turn == 3)
                assert (answer.sum, answer.error) == (turn + 1, "")
                seen.setdefault(sequence, set()).add(answer.pid)
    assert {len(pids) for pids in seen.values()} == {1}
    assert len(set.union(*seen.values())) == 2


def test_a_sequence_without_a_start(host: RunningHost) -> None:
    with SequenceClient(host) as client:
        assert NO_START in client.send(77, 1).error
        assert NO_START in client.send(77, 1, end=True).error
        assert client.send(77, 1, start=True, end=True).sum == 1


def test_no_sequence_at_all(host: RunningHost) -> None:
    with SequenceClient(host) as client:
        assert "must specify a non-zero or non-empty correlation ID" in client.send(0, 1).error


def test_a_repeated_start_begins_anew(host: RunningHost) -> None:
    with SequenceClient(host) as client:
        assert [client.send(5, 2, start=start).sum for start in (True, False, True, False)] == [2, 4, 2, 4]
        assert client.send(5, 2, end=True).sum == 6
        assert NO_START in client.send(5, 2).error


def test_an_error_ends_only_its_request(host: RunningHost) -> None:
    with SequenceClient(host) as client:
        assert client.send("a", 3, start=True).sum == 3
        assert "ValueError" in client.send("a", -1).error
        assert client.send("a", 4, end=True).sum == 7


def test_an_idle_sequence_ends(host: RunningHost) -> None:
    """Its next request is refused, by Triton or by the backend; its place is free for another."""
    with SequenceClient(host, "brief", batched=False) as client:
        assert client.send(1, 1, start=True).sum == 1
        assert client.send(2, 1, start=True).sum == 1
        wait_until(lambda: live(host) == 0, what="both are idle")
        error = client.send(1, 1).error
        assert NO_START in error or "model brief: sequence 1 has no state: " in error
        assert client.send(3, 1, start=True, end=True).sum == 1


def test_more_sequences_than_allowed(host: RunningHost) -> None:
    """Starts too many are refused at once, the others go on, and a place that becomes free can be taken.

    Each refused start keeps its slot in Triton, where another start without a slot would wait.
    """
    too_many = "model direct: too many live sequences (max_live 12); start it again when another has ended"
    with SequenceClient(host, "direct") as client:
        first = [client.send(sequence, 1, start=True).error for sequence in range(1, 13)]
        refused = [client.send(sequence, 1, start=True) for sequence in range(13, 25)]
        assert (first, {each.error for each in refused}) == ([""] * 12, {too_many})
        assert refused[0].status == "StatusCode.UNAVAILABLE"
        assert "model direct: sequence 13 has no state: its start was refused, " in client.send(13, 1).error
        assert client.send(1, 1, end=True).sum == 2
        assert client.send(13, 5, start=True, end=True).sum == 5
        assert [client.send(sequence, 1, end=True).sum for sequence in range(2, 13)] == [2] * 11


def test_a_stream_has_the_state_of_its_sequence(host: RunningHost) -> None:
    assert [grpc_stream_sums(host, 9, x, start=x == 1, end=x == 3) for x in (1, 2, 3)] == [[1], [3, 3], [6, 6, 6]]


def grpc_stream_sums(host: RunningHost, sequence: int, x: int, *, start: bool, end: bool) -> list[int]:
    """The responses of one request to a model that streams."""
    answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
    inputs = asked_inputs(tritonclient.grpc, {"x": np.full((1, 1), x, np.int64)})
    with tritonclient.grpc.InferenceServerClient(host.grpc) as client:
        client.start_stream(lambda result, error: answers.put(error or result))
        client.async_stream_infer(
            "counted",
            inputs,
            sequence_id=sequence,
            sequence_start=start,
            sequence_end=end,
            enable_empty_final_response=True,
        )
        sums = []
        while not (answer := answers.get(timeout=60)).get_response().parameters["triton_final_response"].bool_param:
            sums.append(int(answer.as_numpy("sum").item()))
    return sums


def test_gauges(host: RunningHost) -> None:
    gauges = ("pytriton_live_sequences", "pytriton_max_live_sequences")
    with SequenceClient(host) as client:
        client.send(1, 1, start=True)
        client.send(2, 1, start=True)
        assert [value(host.metrics, name, model="summed", version="1") for name in gauges] == [2, 300]
        client.send(1, 1, end=True)
        client.send(2, 1, end=True)
        assert value(host.metrics, gauges[0], model="summed", version="1") == 0


def live(host: RunningHost) -> float | None:
    return value(host.metrics, "pytriton_live_sequences", model="brief", version="1")
