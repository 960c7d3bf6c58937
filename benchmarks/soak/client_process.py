"""`python -m benchmarks.soak.client_process GRPC HTTP SEED CLIENTS LEAVING`: some clients of a long run.

run.py starts it. It sends the largest requests first. Then it reads numbers on standard input and sends that many
requests, spread over its clients. Each time it prints one line of JSON: the number of requests for each way to end.
LEAVING is the share of requests whose client does not wait for the answer.
"""

from __future__ import annotations

import json
import random
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from tests.support.traffic.leaving_clients import Client, GrpcClient, HttpClient
from tests.support.traffic.raw_requests import Request, left_alone, mixture

HTTP_SHARE = 0.1
LARGEST = 10
FILLINGS = 3


class User:
    """Sends requests of the mixture over gRPC and, a tenth of them, over HTTP."""

    def __init__(
        self, clients: list[Client], chance: random.Random, leaving: float, awaited: list[Request], left: list[Request]
    ) -> None:
        self._clients = clients
        self._chance = chance
        self._leaving = leaving
        self._awaited = awaited
        self._left = left

    def fill(self) -> Counter[str]:
        """Send the largest requests, all users at the same time, so that no later moment needs more memory."""
        requests = [each for kind in (self._awaited, self._left) for each in largest(kind)]
        return Counter(client.ask(each) for _ in range(FILLINGS) for each in requests for client in self._clients)

    def send(self, count: int) -> Counter[str]:
        """Send `count` requests, one after the other; returns the number for each way to end."""
        ends: Counter[str] = Counter()
        for _ in range(count):
            client = self._clients[self._chance.random() < HTTP_SHARE]
            if self._chance.random() < self._leaving:
                ends[client.leave(self._chance.choice(self._left))] += 1
            else:
                ends[client.ask(self._chance.choice(self._awaited))] += 1
        return ends


def largest(requests: list[Request]) -> list[Request]:
    """The requests that need most memory."""
    return sorted(requests, key=lambda each: len(each.content))[-LARGEST:]


def main(grpc: int, http: int, seed: int, count: int, leaving: float) -> None:
    """Send the largest requests, then as many as each number on standard input says."""
    awaited, left = mixture(random.Random(seed)), left_alone(random.Random(seed))
    chances = [random.Random(f"{seed} {index}") for index in range(count)]
    users = [User([GrpcClient(grpc, each), HttpClient(http, each)], each, leaving, awaited, left) for each in chances]
    with ThreadPoolExecutor(count) as threads:
        print(json.dumps(sum(threads.map(User.fill, users), Counter[str]())), flush=True)
        for line in sys.stdin:
            shares = [(int(line) + index) // count for index in range(count)]
            ends = sum(threads.map(User.send, users, shares), Counter[str]())
            print(json.dumps(ends), flush=True)


if __name__ == "__main__":
    grpc_port, http_port, first_seed, users_here = map(int, sys.argv[1:5])
    main(grpc_port, http_port, first_seed, users_here, leaving=float(sys.argv[5]))
