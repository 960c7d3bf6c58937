"""The long run: client processes send requests, and samples of the host are taken in between."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator

from attrs import Factory, define, field

from benchmarks.errors import BenchmarkError
from benchmarks.installed import CHECKOUT
from benchmarks.servers.server import Place
from benchmarks.soak.holdings import Sample, sample
from tests.support.traffic.leaving_clients import ENDS

PROCESSES = 2
CLIENTS = 4
"""In each process, each with one connection for gRPC and one for HTTP."""
SAMPLES = 100


@define
class Soak:
    """Sends `requests` requests to a host and takes `SAMPLES` samples, always while no request is in flight."""

    host: int
    """The host's process; its descendants are sampled too."""
    place: Place
    requests: int
    leaving: float = 0.01
    """The share of requests whose client leaves before the answer."""
    settle_seconds: float = 0.1
    progress: Callable[[Sample], None] = field(default=lambda sample: None)
    samples: list[Sample] = Factory(list)
    ends: Counter[str] = Factory(Counter)

    def run(self) -> None:
        """Fill `samples`; raises BenchmarkError if a request ended in an unexpected way."""
        started = time.monotonic()
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(self._clients(seed)) for seed in range(PROCESSES)]
            self._answers(clients)
            self._sample(0, started)
            for index in range(1, SAMPLES + 1):
                wanted = self.requests * index // SAMPLES
                self._send(clients, wanted - self.samples[-1].requests)
                self._sample(wanted, started)

    @contextlib.contextmanager
    def _clients(self, seed: int) -> Iterator[subprocess.Popen[str]]:
        numbers = [self.place.grpc, self.place.http, seed, CLIENTS, self.leaving]
        command = [sys.executable, "-m", "benchmarks.soak.client_process", *map(str, numbers)]
        process = subprocess.Popen(
            command, cwd=CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        try:
            yield process
        finally:
            process.kill()
            process.communicate()

    def _send(self, clients: list[subprocess.Popen[str]], count: int) -> None:
        for index, process in enumerate(clients):
            if process.stdin:
                process.stdin.write(f"{(count + index) // len(clients)}\n")
        self.ends.update(self._answers(clients))

    def _answers(self, clients: list[subprocess.Popen[str]]) -> Counter[str]:
        ends: Counter[str] = Counter()
        for process in clients:
            answer = process.stdout.readline() if process.stdout else ""
            if not answer:
                raise BenchmarkError("soak: a client process ended; its error is above")
            ends.update(json.loads(answer))
        if wrong := {end: number for end, number in ends.items() if end not in ENDS}:
            raise BenchmarkError(f"soak: requests ended in an unexpected way: {wrong}")
        return ends

    def _sample(self, sent: int, started: float) -> None:
        # The server releases closed connections a moment later.
        time.sleep(self.settle_seconds)
        self.samples.append(sample(self.host, sent, time.monotonic() - started))
        self.progress(self.samples[-1])
