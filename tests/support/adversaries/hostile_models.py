"""Clients of the models in tests/support/models/hostile_models, and their results."""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from tritonclient.utils import InferenceServerException

from pytriton_plugins.testing import RunningHost, wait_until
from tests.support.adversaries.hostile_cases import FILES, LEFT, PARTS
from tests.support.measure.figures import seen
from tests.support.traffic.clients import PROTOCOLS, attempt
from tests.support.traffic.scrape import page
from tests.support.traffic.streams import http_stream, open_grpc

Array = NDArray[Any]
TIMEOUT = 30.0
"""Seconds without an answer that a client counts as a hang."""

SETTLED_AFTER = 30.0
NEVER_A_CLIENTS = re.compile(r"Traceback|File \"|/usr/|/tmp/|/home/|/root/|site-packages|\.py\b")
RESTARTS, WORKERS = (
    re.compile(rf'^pytriton_{name}{{model="(\w+)",version="1"}} (\d+)$', re.MULTILINE)
    for name in ("worker_restarts_total", "workers")
)


class State(NamedTuple):
    """The restarts and workers of each model, from the metrics."""

    restarts: dict[str, int]
    workers: dict[str, int]


class Hostile:
    """The clients of the hostile models that a daemon serves."""

    def __init__(self, host: RunningHost, files: tuple[str, ...]) -> None:
        self._host = host
        self._cases = {name: case for file in files for name, case in FILES[file].items()}
        self._streams = set(FILES["streams"]) if "streams" in files else set()
        self.wrong: list[str] = []
        """The unexpected results, a line for each."""

    def round(self, protocol: str) -> None:
        """Send every model its hostile request at once, and wait until each answers an honest request again."""
        before = self._state().restarts
        got = self._all_send(protocol, hostile=True)
        self._settle(before)
        self.honest(protocol)
        after = self._state().restarts
        for model, case in self._cases.items():
            restarts = after[model] - before[model]
            if not case.expects(model, got[model]) or restarts != case.replaced or not presentable(got[model]):
                self.wrong.append(f"{model} over {protocol}: {got[model][:400]!r}, {restarts} restarts")
            if protocol == PROTOCOLS[0]:
                seen(19, model, shortened(got[model]), "worker replaced" if restarts else "")

    def honest(self, protocol: str) -> None:
        """Send every model an honest request, which it must answer."""
        for model, client in self._all_send(protocol, hostile=False).items():
            if client != "answer":
                self.wrong.append(f"{model} over {protocol}, an honest request: {client[:400]!r}")

    def served(self) -> set[str]:
        return set(self._state().workers)

    def _all_send(self, protocol: str, *, hostile: bool) -> dict[str, str]:
        """The result of one request to each model."""
        with ThreadPoolExecutor(len(self._cases)) as pool:
            sent = {model: pool.submit(self._send, protocol, model, hostile) for model in self._cases}
            return {model: each.result() for model, each in sent.items()}

    def _send(self, protocol: str, model: str, hostile: bool) -> str:
        right = self._cases[model].right if hostile else is_honest
        x = np.array([1 if hostile else 0, 3], np.float32)
        if model in self._streams:
            return streamed(*STREAMS[protocol](self._host, model, x), right)
        answered = attempt(self._host, protocol, model, {"x": x}, timeout=TIMEOUT)
        return answered.error or shown(answered.outputs["y"], right)

    def _settle(self, before: dict[str, int]) -> None:
        """Wait until each model has its worker, or a new worker if the old one must be replaced."""
        try:
            wait_until(lambda: not self._unsettled(before), SETTLED_AFTER, "every model has its worker again")
        except TimeoutError:
            self.wrong += [f"{model} has no worker, or not a new one" for model in self._unsettled(before)]

    def _unsettled(self, before: dict[str, int]) -> list[str]:
        now = self._state()
        return [
            model
            for model, case in self._cases.items()
            if now.restarts[model] - before[model] < case.replaced or now.workers[model] != 1
        ]

    def _state(self) -> State:
        text = page(self._host.metrics)
        return State(*({model: int(count) for model, count in each.findall(text)} for each in (RESTARTS, WORKERS)))


def is_honest(y: Array) -> bool:
    return bool(y.ravel().tolist() == [0, 6])


def shown(y: Array, right: Callable[[Array], bool]) -> str:
    return "answer" if right(y) else f"a wrong answer: {y.ravel()[:10].tolist()} of shape {y.shape}"


def shortened(text: str) -> str:
    return text if len(text) < 90 else text[:90] + "…"


def presentable(text: str) -> bool:
    """Whether a client may see the text: one short line without a traceback or a path."""
    return text.isprintable() and len(text.encode()) <= 4096 and not NEVER_A_CLIENTS.search(text)


def grpc_parts(host: RunningHost, model: str, x: Array) -> tuple[list[Array], str]:
    """The first responses of a stream, and the error that ended it."""
    parts: list[Array] = []
    with open_grpc(host, model, {"x": x}) as receive:
        while len(parts) < PARTS and (result := receive()) is not None:
            if isinstance(result, InferenceServerException):
                return parts, result.message()
            parts.append(result.as_numpy("y"))
    return parts, ""


def http_parts(host: RunningHost, model: str, x: Array) -> tuple[list[Array], str]:
    events = http_stream(host, model, {"x": x.tolist()}, PARTS)
    errors = [event["error"] for event in events if "error" in event]
    return [np.array(event["y"]) for event in events if "y" in event], "; ".join(errors)


STREAMS = {"grpc": grpc_parts, "http": http_parts}


def streamed(parts: list[Array], error: str, right: Callable[[Array], bool]) -> str:
    wrong = [part for part in parts if not right(part)]
    if wrong:
        return shown(wrong[0], right)
    answers = LEFT if len(parts) == PARTS else "; ".join(["answer"] * len(parts))
    return "; ".join(filter(None, [answers, error])) or "nothing"
