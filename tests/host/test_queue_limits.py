"""Queue limits, queue timeouts, priorities and Triton's batcher, from a model's `triton_config`."""

from __future__ import annotations

import contextlib
import json
import os
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc
import tritonclient.http
from tritonclient.utils import InferenceServerException

from pytriton_plugins.host.triton.repository import SPARE_INSTANCES, for_triton, own_policy
from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.model.tensors import Tensor
from pytriton_plugins.shm.declaration import QueuePolicy
from pytriton_plugins.testing import RunningHost, run_host, wait_until
from tests.support.paths import MODELS
from tests.support.traffic.clients import PROTOCOLS, Gate, attempt, infer, post, queues, texts
from tests.support.traffic.streams import open_grpc

MODEL = f"{MODELS / 'gated.py'}:Gated"
FREE = {"gate": texts("")}
PATIENCE = 60.0


@contextlib.contextmanager
def serving(folder: Path, batching: str, max_batch_size: int = 1) -> Iterator[RunningHost]:
    """A host with the model, under the dynamic batching of the file."""
    config = f"[models.Gated]\nmax_batch_size = {max_batch_size}\ntriton_config.dynamic_batching = {batching}\n"
    (folder / "host.toml").write_text(config)
    with run_host(MODEL, options=[f"--config={folder / 'host.toml'}"]) as host:
        yield host


class Held:
    """A worker that is held, and further requests that wait.

    ``in_triton``: they wait in Triton's own queue as well as in the backend's, which alone has an order that is seen.
    """

    def __init__(self, host: RunningHost, folder: Path, *, in_triton: bool = False) -> None:
        self._host = host
        self._in_triton = in_triton
        self._pool = ThreadPoolExecutor(16)
        self._gate = Gate(folder / "gate")
        self._waiting = 0
        self.first = self._pool.submit(infer, host, "grpc", "Gated", {"gate": texts(os.fsencode(folder / "gate"))})
        wait_until(self._gate.is_reached, PATIENCE, "the worker waits")

    def send_unseen(self, protocol: str = "grpc", **parameters: int) -> Future[int]:
        """Send a request that may be refused before its wait is seen; return the number of its batch."""
        return self._pool.submit(asked, self._host, protocol, **parameters)

    def send(self, protocol: str = "grpc", **parameters: int) -> Future[int]:
        """Send a request and wait until it is queued; its result is the number of its batch."""
        self._waiting += 1
        sent = self.send_unseen(protocol, **parameters)
        wait_until(lambda: self._queued() == self._waiting, PATIENCE, "the request waits")
        return sent

    def let_go(self) -> None:
        self._gate.open()
        self._pool.shutdown()

    def _queued(self) -> int:
        found = queues(self._host.metrics, "Gated")
        return sum(found) if self._in_triton else found.backend


def asked(host: RunningHost, protocol: str, **parameters: int) -> int:
    """Send a request; returns the number of its batch. ``parameters``: ``timeout`` (microseconds) and ``priority``."""
    module: Any = {"grpc": tritonclient.grpc, "http": tritonclient.http}[protocol]
    gate = module.InferInput("gate", [1, 1], "BYTES")
    gate.set_data_from_numpy(FREE["gate"])
    with module.InferenceServerClient(getattr(host, protocol)) as client:
        return int(client.infer("Gated", [gate], **parameters).as_numpy("batch").item())


def joined(host: RunningHost, count: int) -> list[int]:
    """Send that many requests at once; returns the size of each one's batch."""
    with ThreadPoolExecutor(count) as pool:
        sent = [pool.submit(infer, host, PROTOCOLS[number % 2], "Gated", FREE) for number in range(count)]
        return [int(each.result(PATIENCE)["rows"].item()) for each in sent]


def failures(host: RunningHost) -> int:
    """The number of failed requests so far, whether or not their clients know."""
    with urllib.request.urlopen(f"http://{host.http}/v2/models/Gated/stats") as answer:
        return int(json.load(answer)["model_stats"][0]["inference_stats"]["fail"]["count"])


def batching_of(host: RunningHost) -> Any:
    with urllib.request.urlopen(f"http://{host.http}/v2/models/Gated/config") as answer:
        return json.load(answer).get("dynamic_batching")


def test_a_full_queue_refuses_at_once(tmp_path: Path) -> None:
    with serving(tmp_path, "{ default_queue_policy = { max_queue_size = 2 } }") as host:
        assert batching_of(host) is None
        held = Held(host, tmp_path)
        waiting = [held.send("grpc"), held.send("http")]
        message = "model Gated: queue is full (max_queue_size 2)"
        for protocol in PROTOCOLS:
            refused = attempt(host, protocol, "Gated", FREE)
            assert (refused.error, refused.status) == (
                message,
                "503" if protocol == "http" else "StatusCode.UNAVAILABLE",
            )
        body = {"inputs": [{"name": "gate", "datatype": "BYTES", "shape": [1, 1], "data": [""]}]}
        assert post(host, "/v2/models/Gated/infer", body) == (503, {"error": message})
        held.let_go()
        assert sorted(sent.result(PATIENCE) for sent in waiting) == [2, 3]
        assert [asked(host, protocol) for protocol in PROTOCOLS] == [4, 5]


def test_with_a_free_worker_no_request_waits(tmp_path: Path) -> None:
    """With a free worker a queue limit of 1 refuses no request."""
    with serving(
        tmp_path, "{ default_queue_policy = { max_queue_size = 1, default_timeout_microseconds = 60000000 } }"
    ) as host:
        assert [asked(host, protocol) for protocol in PROTOCOLS * 10] == list(range(1, 21))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_request_that_waits_too_long_is_answered(tmp_path: Path, protocol: str) -> None:
    with serving(tmp_path, "{ default_queue_policy = { default_timeout_microseconds = 200000 } }") as host:
        held = Held(host, tmp_path)
        sent = held.send_unseen(protocol)
        with pytest.raises(InferenceServerException, match=r"waited longer than 200 ms \(default_timeout_micros"):
            sent.result(PATIENCE)
        held.let_go()
        assert held.first.result(PATIENCE)["batch"].item() == 1
        assert asked(host, protocol) == 2


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_requests_own_timeout_counts_wherever_it_waits(tmp_path: Path, protocol: str) -> None:
    """The timeout holds for the first request of the queue and for the last."""
    policy = "{ default_timeout_microseconds = 60000000, allow_timeout_override = true }"
    with serving(tmp_path, f"{{ default_queue_policy = {policy} }}") as host:
        held = Held(host, tmp_path)
        first = held.send(protocol, timeout=6_000_000)
        waiting = [held.send(timeout=120_000_000), held.send()]
        last = held.send_unseen(protocol, timeout=100_000)
        for sent in (last, first):
            with pytest.raises(InferenceServerException, match="waited longer than its own timeout or 60000 ms"):
                sent.result(PATIENCE)
        held.let_go()
        assert sorted(sent.result(PATIENCE) for sent in waiting) == [2, 3]


SIX = ("http", "grpc") * 3
SLOW = 1_000_000_000
"""Microseconds that no test waits."""

DELAY = 3.0
"""Seconds in which requests that are sent at once arrive also on a busy machine."""

OF_DELAY = f"max_queue_delay_microseconds = {DELAY * 1e6:.0f}"


@pytest.mark.parametrize(
    "batching",
    [
        f"max_queue_delay_microseconds = {SLOW}, preferred_batch_size = [4]",
        "max_queue_delay_microseconds = 60000000",
    ],
)
def test_limits_hold_for_requests_that_wait_to_be_joined(tmp_path: Path, batching: str) -> None:
    """Of six simultaneous requests five are refused at once and one times out, although the worker is free."""
    limits = f"{{ max_queue_size = 1, default_timeout_microseconds = {DELAY * 1e6:.0f} }}"
    with (
        serving(tmp_path, f"{{ default_queue_policy = {limits}, {batching} }}", 8) as host,
        ThreadPoolExecutor(6) as pool,
    ):
        began = time.monotonic()
        sent = [pool.submit(attempt, host, protocol, "Gated", FREE) for protocol in SIX]
        answered = sorted((each.result(PATIENCE) for each in sent), key=lambda each: each.at)
        messages = ["queue is full (max_queue_size 1)"] * 5 + [f"the request waited longer than {DELAY * 1e3:.0f} ms"]
        assert [each.error.removeprefix("model Gated: ").split(" (default")[0] for each in answered] == messages
        assert {each.status for each in answered} == {"503", "StatusCode.UNAVAILABLE"}
        assert answered[-1].at - began >= DELAY - 0.1


def test_a_delay_and_preferred_sizes_beside_limits(tmp_path: Path) -> None:
    """A preferred size runs at once, less when the oldest one's delay is over, a full batch always."""
    limits = "{ max_queue_size = 64, default_timeout_microseconds = 60000000 }"
    with serving(
        tmp_path,
        f"{{ preferred_batch_size = [3], {OF_DELAY}, default_queue_policy = {limits} }}",
        8,
    ) as host:
        assert batching_of(host) is None
        assert joined(host, 3) == [3, 3, 3]
        began = time.monotonic()
        assert joined(host, 2) == [2, 2]
        assert time.monotonic() - began >= DELAY - 0.1


def test_preferred_sizes_without_a_delay(tmp_path: Path) -> None:
    """Waiting requests run in preferred sizes, and the rest at once."""
    limits = "{ max_queue_size = 64 }"
    with serving(tmp_path, f"{{ preferred_batch_size = [4, 2], default_queue_policy = {limits} }}", 8) as host:
        held = Held(host, tmp_path)
        waiting = [held.send() for _ in range(7)]
        held.let_go()
        assert sorted(sent.result(PATIENCE) for sent in waiting) == [2, 2, 2, 2, 3, 3, 4]


def test_nothing_joins_a_stream_so_its_request_does_not_wait(tmp_path: Path) -> None:
    """It holds for a request of several rows too, although these are not a preferred size."""
    (tmp_path / "model.py").write_text(STREAM)
    with (
        run_host(tmp_path / "model.py") as host,
        open_grpc(host, "each", {"x": np.array([[1], [2]], np.float32)}) as receive,
    ):
        assert receive().as_numpy("y").tolist() == [[1], [2]]
        assert receive() is None


def test_limits_hold_beside_preserve_ordering(tmp_path: Path) -> None:
    """Triton reports a refusal in order, after the answers to earlier requests."""
    limits = "{ max_queue_size = 2, default_timeout_microseconds = 60000000 }"
    with serving(tmp_path, f"{{ preserve_ordering = true, default_queue_policy = {limits} }}") as host:
        assert batching_of(host)["preserve_ordering"] is True
        held = Held(host, tmp_path)
        waiting = [held.send() for _ in range(2)]
        with ThreadPoolExecutor(4) as pool:
            sent = [pool.submit(attempt, host, protocol, "Gated", FREE) for protocol in PROTOCOLS * 2]
            wait_until(lambda: failures(host) == 4, PATIENCE, "four are refused")
            held.let_go()
            refused = [each.result(PATIENCE) for each in sent]
        assert [sent.result(PATIENCE) for sent in waiting] == [2, 3]
        assert {each.error for each in refused} == {"model Gated: queue is full (max_queue_size 2)"}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_request_of_higher_priority_overtakes_those_in_tritons_queue(tmp_path: Path, protocol: str) -> None:
    with serving(tmp_path, "{ priority_levels = 2, default_priority_level = 2 }") as host:
        held = Held(host, tmp_path, in_triton=True)
        waiting = [held.send() for _ in range(5)]
        urgent = held.send(protocol, priority=1)
        held.let_go()
        batches = [sent.result(PATIENCE) for sent in waiting]
        # Each of Triton's instances hands a request to the worker, so that those next to each other may change places.
        assert all(abs(batch - due) <= SPARE_INSTANCES for batch, due in zip(batches, sorted(batches), strict=True))
        assert urgent.result(PATIENCE) < max(batches)


def test_preferred_sizes_and_a_delay(tmp_path: Path) -> None:
    """Three requests run at once; two wait for a third for as long as the delay."""
    with serving(tmp_path, f"{{ preferred_batch_size = [3], {OF_DELAY} }}", 8) as host:
        with ThreadPoolExecutor(3) as pool:
            sent = [pool.submit(attempt, host, protocol, "Gated", FREE) for protocol in ("grpc", "http", "grpc")]
            three = [each.result(PATIENCE) for each in sent]
            sent = [pool.submit(attempt, host, protocol, "Gated", FREE) for protocol in PROTOCOLS]
            two = [each.result(PATIENCE) for each in sent]
        assert [answered.outputs["rows"].item() for answered in (*three, *two)] == [3, 3, 3, 2, 2]
        assert max(answered.at for answered in two) - max(answered.at for answered in three) >= DELAY - 0.1


STREAM = f"""
import numpy as np
from pytriton_plugins import Tensor, infer_func

LIMITS = {{"max_queue_size": 4}}
BATCHING = {{"max_queue_delay_microseconds": {SLOW}, "preferred_batch_size": [4], "default_queue_policy": LIMITS}}


@infer_func(
    inputs=[Tensor("x", np.float32, (1,))],
    outputs=[Tensor("y", np.float32, (1,))],
    max_batch_size=8,
    triton_config={{"dynamic_batching": BATCHING}},
)
def each(x):
    yield x
"""
LIMITS = {"max_queue_size": 3, "default_timeout_microseconds": 1500}
WAITS = {"preferred_batch_size": [8, 4], "max_queue_delay_microseconds": 500}
OWN = QueuePolicy(3, 0.0015)


def declared(batching: Any, **others: Any) -> ModelDeclaration:
    x = Tensor("x", np.float32, (-1,))
    config = {"dynamic_batching": batching, **others}
    return ModelDeclaration("m", 1, "function", "m", (x,), (x,), max_batch_size=8, triton_config=config)


@pytest.mark.parametrize(
    ("batching", "ours", "left"),
    [
        ({"default_queue_policy": LIMITS}, OWN, None),
        ({"default_queue_policy": {**LIMITS, "timeout_action": "REJECT"}, "preserve_ordering": True}, OWN, True),
        ({"default_queue_policy": LIMITS, **WAITS}, OWN._replace(delay=0.0005, preferred=(4, 8)), None),
        ({"default_queue_policy": {**LIMITS, "allow_timeout_override": True}}, OWN._replace(own_timeouts=True), None),
    ],
)
def test_settings_of_our_own_queue_are_not_passed_to_triton(
    batching: Any, ours: QueuePolicy, left: bool | None
) -> None:
    """Settings that our own queue implements are not passed on to Triton."""
    model = declared(batching, response_cache={})
    assert own_policy(model) == ours
    rest = {"dynamic_batching": {"preserve_ordering": True}} if left else {}
    assert for_triton(model) == {"response_cache": {}, **rest}


@pytest.mark.parametrize(
    "batching",
    [
        {},
        "none",
        WAITS,
        {"default_queue_policy": 1},
        {"default_queue_policy": {**LIMITS, "timeout_action": "DELAY"}},
        {"default_queue_policy": {**LIMITS, "allow_timeout_override": 1}},
        {"default_queue_policy": {"max_queue_size": "3"}},
        {"default_queue_policy": {"max_queue_size": -3}},
        {"default_queue_policy": LIMITS, "priority_levels": 2},
        {"default_queue_policy": LIMITS, "preferred_batch_size": [9]},
        {"default_queue_policy": LIMITS, "preferred_batch_size": [0]},
        {"default_queue_policy": LIMITS, "preferred_batch_size": 4},
        {"default_queue_policy": LIMITS, "max_queue_delay_microseconds": -1},
    ],
)
def test_settings_of_tritons_batcher_are_passed_to_triton(batching: Any) -> None:
    """Settings that need Triton's batcher are passed on unchanged."""
    assert own_policy(declared(batching)) == QueuePolicy()
    assert for_triton(declared(batching)) == {"dynamic_batching": batching}
