"""Queue limits, queue time-outs, priorities and Triton's batcher, as a model's `triton_config` asks for them."""

from __future__ import annotations

import contextlib
import json
import os
import urllib.request
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import tritonclient.grpc
import tritonclient.http
from clients import PROTOCOLS, Gate, attempt, infer, post, queued, texts
from tritonclient.utils import InferenceServerException

from pytriton_plugins.host.queue_policy import QueuePolicy, for_triton, own_policy
from pytriton_plugins.testing import RunningHost, run_host, wait_until

MODEL = f"{Path(__file__).parents[1] / 'models' / 'gated.py'}:Gated"
FREE = {"gate": texts("")}
PATIENCE = 20.0


@contextlib.contextmanager
def serving(folder: Path, batching: str, max_batch_size: int = 1) -> Iterator[RunningHost]:
    """The model under the dynamic batching that the file says."""
    config = f"[models.Gated]\nmax_batch_size = {max_batch_size}\ntriton_config.dynamic_batching = {batching}\n"
    (folder / "host.toml").write_text(config)
    with run_host(MODEL, options=[f"--config={folder / 'host.toml'}"]) as host:
        yield host


class Held:
    """The model's worker waits, and more requests with it."""

    def __init__(self, host: RunningHost, folder: Path) -> None:
        self._host = host
        self._pool = ThreadPoolExecutor(16)
        self._gate = Gate(folder / "gate")
        self._waiting = 0
        self.first = self._pool.submit(infer, host, "grpc", "Gated", {"gate": texts(os.fsencode(folder / "gate"))})
        wait_until(self._gate.is_reached, PATIENCE, "the worker waits")

    def send(self, protocol: str = "grpc", **parameters: int) -> Future[int]:
        """A request that is seen to wait; the number of its batch."""
        self._waiting += 1
        sent = self._pool.submit(asked, self._host, protocol, **parameters)
        wait_until(lambda: queued(self._host, "Gated") == self._waiting, PATIENCE, "the request waits")
        return sent

    def let_go(self) -> None:
        self._gate.open()
        self._pool.shutdown()


def asked(host: RunningHost, protocol: str, **parameters: int) -> int:
    """The number of the request's batch; ``parameters`` are ``timeout`` (microseconds) and ``priority``."""
    module: Any = {"grpc": tritonclient.grpc, "http": tritonclient.http}[protocol]
    gate = module.InferInput("gate", [1, 1], "BYTES")
    gate.set_data_from_numpy(FREE["gate"])
    with module.InferenceServerClient(getattr(host, protocol)) as client:
        return int(client.infer("Gated", [gate], **parameters).as_numpy("batch").item())


def batching_of(host: RunningHost) -> Any:
    with urllib.request.urlopen(f"http://{host.http}/v2/models/Gated/config") as answer:
        return json.load(answer).get("dynamic_batching")


def test_a_full_queue_refuses_at_once(tmp_path: Path) -> None:
    """Seen red with room for everybody (`has_room`, backend/queue.c)."""
    with serving(tmp_path, "{ default_queue_policy = { max_queue_size = 2 } }") as host:
        assert batching_of(host) is None
        held = Held(host, tmp_path)
        waiting = [held.send("grpc"), held.send("http")]
        said = "model Gated: as many requests wait as may (max_queue_size 2)"
        for protocol in PROTOCOLS:
            refused = attempt(host, protocol, "Gated", FREE)
            assert (refused.error, refused.status) == (said, "503" if protocol == "http" else "StatusCode.UNAVAILABLE")
        body = {"inputs": [{"name": "gate", "datatype": "BYTES", "shape": [1, 1], "data": [""]}]}
        assert post(host, "/v2/models/Gated/infer", body) == (503, {"error": said})
        held.let_go()
        assert sorted(sent.result(PATIENCE) for sent in waiting) == [2, 3]
        assert [asked(host, protocol) for protocol in PROTOCOLS] == [4, 5]


def test_with_a_free_worker_nobody_waits(tmp_path: Path) -> None:
    with serving(
        tmp_path, "{ default_queue_policy = { max_queue_size = 1, default_timeout_microseconds = 500000 } }"
    ) as host:
        assert [asked(host, protocol) for protocol in PROTOCOLS * 10] == list(range(1, 21))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_request_that_waits_too_long_is_answered(tmp_path: Path, protocol: str) -> None:
    """Seen red with nobody looking (`take_expired`, backend/queue.c)."""
    with serving(tmp_path, "{ default_queue_policy = { default_timeout_microseconds = 200000 } }") as host:
        held = Held(host, tmp_path)
        sent = held.send(protocol)
        with pytest.raises(
            InferenceServerException, match=r"no worker was free within 200 ms \(default_timeout_micros"
        ):
            sent.result(PATIENCE)
        held.let_go()
        assert held.first.result(PATIENCE)["batch"].item() == 1
        assert asked(host, protocol) == 2


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_requests_own_timeout_counts_while_it_waits_in_tritons_queue(tmp_path: Path, protocol: str) -> None:
    policy = "{ default_timeout_microseconds = 60000000, allow_timeout_override = true }"
    with serving(tmp_path, f"{{ default_queue_policy = {policy} }}") as host:
        held = Held(host, tmp_path)
        waiting = [held.send() for _ in range(4)]  # the first of them are fetched for the next batches
        sent = held.send(protocol, timeout=100_000)
        with pytest.raises(InferenceServerException, match="Request timeout expired"):
            sent.result(PATIENCE)
        held.let_go()
        assert sorted(sent.result(PATIENCE) for sent in waiting) == [2, 3, 4, 5]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_request_of_higher_priority_overtakes_those_in_tritons_queue(tmp_path: Path, protocol: str) -> None:
    with serving(tmp_path, "{ priority_levels = 2, default_priority_level = 2 }") as host:
        held = Held(host, tmp_path)
        waiting = [held.send() for _ in range(5)]
        urgent = held.send(protocol, priority=1)
        held.let_go()
        batches = [sent.result(PATIENCE) for sent in waiting]
        assert batches == sorted(batches)
        assert urgent.result(PATIENCE) < batches[-1]


def test_preferred_sizes_and_a_delay(tmp_path: Path) -> None:
    """Three requests are a batch at once; two wait for a third as long as the delay says."""
    with serving(tmp_path, "{ preferred_batch_size = [3], max_queue_delay_microseconds = 1500000 }", 8) as host:
        with ThreadPoolExecutor(3) as pool:
            sent = [pool.submit(attempt, host, protocol, "Gated", FREE) for protocol in ("grpc", "http", "grpc")]
            three = [each.result(PATIENCE) for each in sent]
            sent = [pool.submit(attempt, host, protocol, "Gated", FREE) for protocol in PROTOCOLS]
            two = [each.result(PATIENCE) for each in sent]
        assert [answered.outputs["rows"].item() for answered in (*three, *two)] == [3, 3, 3, 2, 2]
        assert max(answered.at for answered in two) - max(answered.at for answered in three) >= 1.4


LIMITS = {"max_queue_size": 3, "default_timeout_microseconds": 1500}


@pytest.mark.parametrize(
    ("batching", "left"),
    [
        ({"default_queue_policy": LIMITS}, None),
        (
            {"default_queue_policy": {**LIMITS, "timeout_action": "REJECT"}, "preferred_batch_size": [4]},
            {"preferred_batch_size": [4]},
        ),
    ],
)
def test_what_the_backend_keeps_is_not_left_to_triton(batching: dict[str, Any], left: Any) -> None:
    config = {"dynamic_batching": batching, "response_cache": {}}
    assert own_policy(config) == QueuePolicy(3, 0.0015)
    assert for_triton(config) == {"response_cache": {}, **({"dynamic_batching": left} if left else {})}


@pytest.mark.parametrize(
    "batching",
    [
        {},
        "none",
        {"default_queue_policy": 1},
        {"default_queue_policy": {**LIMITS, "allow_timeout_override": True}},
        {"default_queue_policy": {**LIMITS, "timeout_action": "DELAY"}},
        {"default_queue_policy": {"max_queue_size": "3"}},
        {"default_queue_policy": {"max_queue_size": -3}},
        {"default_queue_policy": LIMITS, "priority_levels": 2},
    ],
)
def test_what_only_triton_can_do_is_left_to_it(batching: Any) -> None:
    assert own_policy({"dynamic_batching": batching}) == QueuePolicy()
    assert for_triton({"dynamic_batching": batching}) == {"dynamic_batching": batching}
