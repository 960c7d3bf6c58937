"""Sequences of many clients while workers are killed: the lost ones are told; row 22 of the table of faults."""

from __future__ import annotations

import os
import signal
import time

import attrs

from pytriton_plugins.testing import run_host, wait_until
from tests.support.measure.endings import gone
from tests.support.measure.figures import FULL, figure
from tests.support.paths import MODELS
from tests.support.traffic.lost_sequences import Loss, LostSequences
from tests.support.traffic.scrape import value

SEQUENCES, WORKERS, KILL_EACH = (10_000, 8, 2.0) if FULL else (960, 4, 0.5)
CLIENTS, LIVE = 16, 16
KNOWN = 0.5
"""Seconds after which the backend surely starts no sequence on the channel of a worker that has ended."""

MOST = 3 * WORKERS
"""Kills: a worker that ends five times within a minute is not started again."""


@attrs.frozen
class Kill:
    """The end of a worker: the time of the signal, and the time when the kernel had ended it."""

    pid: int
    began: float
    gone: float

    def explains(self, loss: Loss) -> bool:
        """Whether the sequence was this worker's, or was being started meanwhile."""
        if loss.ended < self.began:
            return False
        return loss.pid == self.pid or (loss.pid == 0 and loss.began <= self.gone + KNOWN)


def kill_one(load: LostSequences, kills: list[Kill]) -> None:
    """Kill the worker that has been there longest."""
    wait_until(lambda: load.are_over or len(serving(load, kills)) > 1, 30, "several workers serve")
    if load.are_over:
        return
    pid = serving(load, kills)[0]
    descriptor, began = os.pidfd_open(pid), time.monotonic()
    os.kill(pid, signal.SIGKILL)
    kills.append(Kill(pid, began, gone(descriptor)))


def serving(load: LostSequences, kills: list[Kill]) -> list[int]:
    """The workers that live, as far as they have answered, in the order of their first answers."""
    return [pid for pid in [*load.pids] if pid not in {kill.pid for kill in kills}]


def test_killed_workers_lose_their_sequences_and_no_others() -> None:
    """The lost ones start again, and all end with exact sums."""
    kills: list[Kill] = []
    began = time.monotonic()
    with run_host(f"{MODELS / 'sequences.py'}:summed", options=[f"--workers={WORKERS}"]) as host:
        wait_until(lambda: value(host.metrics, "pytriton_workers", model="summed", version="1") == WORKERS)
        load = LostSequences(host, SEQUENCES, CLIENTS, LIVE)
        while not load.are_over and len(kills) < MOST:
            kill_one(load, kills)
            due = time.monotonic() + KILL_EACH
            wait_until(lambda: load.are_over or time.monotonic() > due, KILL_EACH + 10)  # noqa: B023
        answered, seconds = load.requests(), time.monotonic() - began
        wait_until(lambda: value(host.metrics, "pytriton_live_sequences", model="summed", version="1") == 0)
        assert host.stop() == 0
    assert [loss for loss in load.losses if not any(kill.explains(loss) for kill in kills)] == []
    assert load.losses
    figure(22, "sequences with exact sums", [SEQUENCES], "")
    figure(22, "their requests", [answered], "")
    figure(22, "seconds", [seconds])
    figure(22, "workers killed", [len(kills)], "")
    figure(22, "sequences lost, and started again", [len(load.losses)], "")
