"""Clients of sequences whose workers may be killed: a lost one fails until its next start, and starts again."""

from __future__ import annotations

import random
import time
from concurrent.futures import ThreadPoolExecutor

import attrs

from pytriton_plugins.testing import RunningHost
from tests.support.traffic.sequences import SequenceClient

IN_FLIGHT = "model summed: its worker ended while it ran this request"
LOST = "model summed: the state of sequence {} is lost: its worker ended; start it again (sequence_start)"


@attrs.frozen
class Loss:
    """The first failure of a sequence that was alive; ``pid`` is its worker, 0 if none has answered its start."""

    began: float
    ended: float
    pid: int


@attrs.define
class Sequence:
    """A sequence of ``length`` requests, as its client sees it."""

    number: int
    length: int
    sent: int = 0
    sum: int = 0
    pid: int = 0
    is_lost: bool = False

    @property
    def id(self) -> int | str:
        return self.number if self.number % 2 else f"text-{self.number}"

    @property
    def is_over(self) -> bool:
        return self.sent == self.length

    def send(self, client: SequenceClient, x: int) -> Loss | None:
        """Send the next request; fails for a wrong answer. After a loss the next one fails too, and then it starts."""
        began, last = time.monotonic(), self.sent + 1 == self.length
        answer = client.send(self.id, x, start=self.sent == 0, end=last)
        if self.is_lost:
            assert answer.error == LOST.format(self.id), answer
            self._begin()
            return None
        if not answer.error:
            assert (answer.sum, answer.pid) == (self.sum + x, self.pid or answer.pid), f"{self}: {answer}"
            self.sent, self.sum, self.pid = self.sent + 1, answer.sum, answer.pid
            return None
        assert answer.error in (IN_FLIGHT, LOST.format(self.id)), f"{self}: {answer}"
        loss = Loss(began, time.monotonic(), self.pid)
        if last:
            self._begin()
        else:
            self.sent, self.is_lost = self.sent + 1, True
        return loss

    def _begin(self) -> None:
        self.sent, self.sum, self.pid, self.is_lost = 0, 0, 0, False


class LostSequences:
    """``clients`` clients of ``count`` sequences, each with ``live`` at a time, until all have ended rightly."""

    def __init__(self, host: RunningHost, count: int, clients: int, live: int) -> None:
        self._host = host
        self._live = live
        pool, share = ThreadPoolExecutor(clients), count // clients
        self.pids: dict[int, None] = {}
        """The workers that have answered, in the order of their first answers."""
        self.losses: list[Loss] = []
        self._running = [pool.submit(self._run, first + 1, share) for first in range(0, count, share)]

    @property
    def are_over(self) -> bool:
        return all(each.done() for each in self._running)

    def requests(self) -> int:
        """Wait for the end; the number of requests that were answered."""
        return sum(each.result() for each in self._running)

    def _run(self, first: int, share: int) -> int:
        chance = random.Random(first)
        waiting = [Sequence(number, chance.randint(1, 9)) for number in range(first, first + share)]
        running: list[Sequence] = []
        answered = 0
        with SequenceClient(self._host) as client:
            while waiting or running:
                if waiting and len(running) < self._live:
                    running.append(waiting.pop())
                sequence = chance.choice(running)
                if loss := sequence.send(client, chance.randint(0, 1000)):
                    self.losses.append(loss)
                elif not sequence.is_lost and sequence.pid:
                    answered += 1
                    self.pids[sequence.pid] = None
                if sequence.is_over:
                    running.remove(sequence)
        return answered
