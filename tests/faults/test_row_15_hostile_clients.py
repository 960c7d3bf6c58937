"""Hostile clients do no harm to the callable, the daemon and honest clients (row 15).

The short form sends 4000 requests; the long form is `PYTRITON_HOSTILE_REQUESTS=100000 pytest -s` of this file.
`PYTRITON_HOSTILE_SEED=N` selects other requests. If tritonserver crashes by its own fault, the test reports what it
got last, and another server continues with the same workers (row 5): 2.51 ends in one of 25 runs of the short form,
because of a race with calls that are cancelled at once (docs/explanation/reliability.md).
"""

from __future__ import annotations

import collections
import contextlib
import os
import random
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import numpy as np
import pytest

from pytriton_plugins.host.triton.server import LIBRARY
from pytriton_plugins.testing import RunningHost, run_host
from tests.support.adversaries.hostile_clients import grpc_message, http2_garbage, http_case
from tests.support.paths import MODELS
from tests.support.sandbox.leftovers import Mark, descendants, tritonserver
from tests.support.traffic.clients import Answered, attempt, texts

MODEL = MODELS / "hostile.py"
REQUESTS = int(os.environ.get("PYTRITON_HOSTILE_REQUESTS", "4000"))
SEED = int(os.environ.get("PYTRITON_HOSTILE_SEED", "1"))
PART = 2000
"""As many of them are sent to one tritonserver at most, should it end."""

SLOW_CLIENTS = 60
PATIENCE = 10.0
"""Seconds for one answer, after which a hostile client goes."""

GROWTH = 48 << 20
"""Bytes that a process may grow by between half of the requests and all: allocators keep what was once in use."""


@pytest.fixture(scope="module")
def mark() -> Mark:
    return Mark()


@pytest.fixture(scope="module")
def host(mark: Mark) -> Iterator[RunningHost]:
    with run_host(MODEL, env=mark.env) as running:
        yield running


class Honest:
    """A client beside the hostile ones; each of its answers must be right."""

    def __init__(self, host: RunningHost, protocol: str) -> None:
        self.wrong: list[Answered] = []
        self.right = 0
        self.pids: set[int] = set()
        self.slowest = 0.0
        self._host, self._protocol = host, protocol
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        number = 0
        while not self._enough.is_set():
            number += 1
            x = np.arange(number, number + 5, dtype=np.float32).reshape(1, 5)
            started = time.monotonic()
            answer = attempt(self._host, self._protocol, "look", {"x": x, "text": texts(b"a" * (number % 50))})
            self.slowest = max(self.slowest, time.monotonic() - started)
            fits = not answer.error and np.array_equal(answer.outputs["y"], 2 * x)
            if fits and answer.outputs["lengths"].tolist() == [[number % 50]]:
                self.right += 1
                self.pids.add(answer.outputs["pid"].item())
            else:
                self.wrong.append(answer)

    def __enter__(self) -> Honest:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        self._thread.join()


class Hostile:
    """Sends requests from a seed, counts the results, and remembers the last requests."""

    def __init__(self, host: RunningHost) -> None:
        self.host = host
        self.server = tritonserver(host)
        self.ended = 0
        self.answers: collections.Counter[str] = collections.Counter()
        self.last: collections.deque[tuple[str, bytes]] = collections.deque(maxlen=16)

    def http(self, rng: random.Random) -> None:
        data, waits = http_case(rng)
        self.last.append(("HTTP", data))
        self.answers[f"HTTP {self._exchange(self.host.http, data, waits)}"] += 1

    def http2(self, rng: random.Random) -> None:
        data = http2_garbage(rng)
        self.last.append(("HTTP/2", data))
        self._exchange(self.host.grpc, data, waits=False)
        self.answers["HTTP/2"] += 1

    def message(self, rng: random.Random, channel: grpc.Channel) -> None:
        message = grpc_message(rng)
        self.last.append(("gRPC", message))
        kind = rng.choice(["unary", "unary", "unary", "stream", "cancel"])
        try:
            self.answers[f"gRPC {self._call(channel, kind, message)}"] += 1
        except grpc.RpcError as error:
            self.answers[f"gRPC {error.code().name}"] += 1

    @staticmethod
    def _call(channel: grpc.Channel, kind: str, message: bytes) -> str:
        service = "/inference.GRPCInferenceService"
        if kind == "stream":
            call = channel.stream_stream(f"{service}/ModelStreamInfer")(iter([message]), timeout=PATIENCE)
            return f"stream of {len(list(call))}"
        future = channel.unary_unary(f"{service}/ModelInfer").future(message, timeout=PATIENCE)
        if kind == "cancel":
            future.cancel()
            return "cancelled"
        future.result()
        return "OK"

    @staticmethod
    def _exchange(address: str, data: bytes, waits: bool) -> str:
        """The status of the answer, or what came instead, or that no answer was expected."""
        name, _, port = address.rpartition(":")
        try:
            with socket.create_connection((name, int(port)), PATIENCE) as sock:
                sock.sendall(data)
                if not waits:
                    return "gone"
                words = sock.recv(65536).split(b" ", 2)
                return words[1].decode("ascii", "replace") if len(words) > 1 else "closed"
        except TimeoutError:
            return "silent"
        except OSError:
            return "reset"


@contextlib.contextmanager
def slow_clients(host: RunningHost) -> Iterator[Callable[[], int]]:
    """Connections that begin requests and do not finish them; gives the number that are left."""
    head = b"POST /v2/models/look/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n"
    beginnings = [head[:20], head, head + b"\r\n", head + b"\r\n{", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"]
    with contextlib.ExitStack() as stack:
        socks = []
        for number in range(SLOW_CLIENTS):
            beginning = beginnings[number % len(beginnings)]
            address = host.grpc if beginning.startswith(b"PRI") else host.http
            name, _, port = address.rpartition(":")
            sock = stack.enter_context(socket.create_connection((name, int(port)), PATIENCE))
            sock.sendall(beginning)
            socks.append(sock)
        yield lambda: len(socks)


def send(hostile: Hostile, requests: int, seed: str) -> None:
    """Half over HTTP and half over gRPC, four at a time, until tritonserver ends and another has started."""

    def some(number: int) -> None:
        rng = random.Random(f"{seed}-{number}")
        with grpc.insecure_channel(hostile.host.grpc, [("grpc.use_local_subchannel_pool", 1)]) as channel:
            for _ in range(requests // 4):
                if not is_there(hostile.server):
                    return
                if number % 2:
                    hostile.message(rng, channel)
                else:
                    hostile.http2(rng) if rng.random() < 0.1 else hostile.http(rng)

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(some, number) for number in range(4)]:
            done.result()
    if not is_there(hostile.server):
        hostile.ended += 1
        print(f"tritonserver ended; it was sent last: {list(hostile.last)}")
        hostile.host.wait_ready()
        hostile.server = tritonserver(hostile.host)


def resident(pids: Iterable[int]) -> dict[int, int]:
    """Resident memory of each of these processes, in bytes."""
    found = {}
    for pid in pids:
        with contextlib.suppress(OSError):  # it has ended
            pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
            found[pid] = pages * os.sysconf("SC_PAGE_SIZE")
    return found


def processes(host: RunningHost) -> list[int]:
    return [host.process.pid, *descendants(host.process.pid)]


def is_there(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def test_hostile_clients_do_not_harm_other_clients(host: RunningHost, mark: Mark) -> None:
    before = set(processes(host))
    hostile = Hostile(host)
    started = time.monotonic()
    with slow_clients(host), Honest(host, "grpc") as first, Honest(host, "http") as second:
        for part in range(parts := REQUESTS // PART):
            if part == parts // 2:
                half = resident(before)
            send(hostile, PART, f"{SEED}-{part}")
    assert host.process.poll() is None, f"{host.log[-3000:]}\nlast sent: {list(hostile.last)}"
    report(hostile, time.monotonic() - started, first, second)
    ends = [line for line in host.log.splitlines() if "tritonserver ended with" in line]
    assert len(ends) == hostile.ended <= parts // 2, ends
    assert not any(LIBRARY.name in line for line in ends), ends
    assert set(processes(host)) == before if not ends else len(processes(host)) == len(before)
    assert all(each.error for each in first.wrong + second.wrong)
    assert ends or first.wrong + second.wrong == []
    assert first.right > 100 < second.right
    assert first.pids == second.pids == set(mark.workers())
    grown = {pid: size - half[pid] for pid, size in resident(half).items()}
    print(f"grown in the second half by {[f'{size / 2**20:.1f} MiB' for size in grown.values()]}")
    assert max(grown.values()) < GROWTH
    assert host.status("/v2/health/ready") == 200
    assert "Traceback" not in host.log
    assert all(line.isprintable() for line in host.log.splitlines())


def report(hostile: Hostile, seconds: float, *honest: Honest) -> None:
    print(
        f"{sum(hostile.answers.values())} hostile requests in {seconds:.1f} s: {dict(sorted(hostile.answers.items()))}"
    )
    for each in honest:
        print(f"beside them {each.right} right answers, {len(each.wrong)} others, the slowest in {each.slowest:.2f} s")
