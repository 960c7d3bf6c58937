"""Clients of models with state: one request of a sequence after the other, and many sequences interleaved."""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import attrs
import numpy as np
import tritonclient.grpc
from tritonclient.utils import InferenceServerException

from pytriton_plugins.testing import RunningHost
from tests.support.traffic.clients import asked_inputs

Id = int | str


@attrs.frozen
class Summed:
    """The answer to one request: the sum so far, the worker's process and the size of the batch; or the error."""

    sum: int = 0
    pid: int = 0
    batch: int = 0
    error: str = ""
    status: str = ""


class SequenceClient:
    """Sends requests of sequences over one connection."""

    def __init__(self, host: RunningHost, model: str = "summed", *, batched: bool = True) -> None:
        self._client = tritonclient.grpc.InferenceServerClient(host.grpc)
        self._model = model
        self._shape = (1, 1) if batched else (1,)

    def __enter__(self) -> SequenceClient:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def send(self, sequence: Id, x: int, *, start: bool = False, end: bool = False, timeout: float = 60.0) -> Summed:
        inputs = asked_inputs(tritonclient.grpc, {"x": np.full(self._shape, x, np.int64)})
        flags: Any = {"sequence_id": sequence, "sequence_start": start, "sequence_end": end}
        try:
            result = self._client.infer(self._model, inputs, client_timeout=timeout, **flags)
        except InferenceServerException as error:
            return Summed(error=error.message(), status=error.status() or "")
        total, pid, batch = (int(result.as_numpy(name).item()) for name in ("sum", "pid", "batch"))
        return Summed(total, pid, batch)


def interleaved(host: RunningHost, model: str, sequences: int, clients: int, live: int) -> list[Summed]:
    """The answers to ``sequences`` of random length; each of ``clients`` has ``live`` of them at a time.

    Fails if one sum is wrong.
    """
    with ThreadPoolExecutor(clients) as pool:
        share = sequences // clients
        answers = pool.map(lambda first: _run(host, model, range(first, first + share), live), _firsts(clients, share))
        return [answer for part in answers for answer in part]


def _firsts(clients: int, share: int) -> Iterator[int]:
    return (1 + client * share for client in range(clients))


def _run(host: RunningHost, model: str, ids: range, live: int) -> list[Summed]:
    chance = random.Random(ids.start)
    waiting, running, answers = list(ids), {}, []  # type: ignore[var-annotated]
    with SequenceClient(host, model) as client:
        while waiting or running:
            if waiting and len(running) < live:
                number = waiting.pop()
                running[number] = (0, 0, chance.randint(1, 9))
            number = chance.choice(list(running))
            sent, total, length = running.pop(number)
            x, last = chance.randint(0, 1000), sent + 1 == length
            sequence = number if number % 2 else f"text-{number}"
            answers.append(client.send(sequence, x, start=sent == 0, end=last))
            assert answers[-1].sum == total + x, f"sequence {sequence}: {answers[-1]}, expected {total + x}"
            if not last:
                running[number] = (sent + 1, total + x, length)
    return answers
