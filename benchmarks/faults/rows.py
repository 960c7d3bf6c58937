"""The faults: one function for each row of the table, which returns the figures of one server."""

from __future__ import annotations

import functools
import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Literal

from attrs import frozen

from benchmarks.errors import BenchmarkError
from benchmarks.faults.load import HANG, RAISE, WORK_MS, crowd, work
from benchmarks.faults.subject import DRAIN_SECONDS, Subject, wait_until
from tests.support.traffic.load import Load, Sent

LIMIT_SECONDS = 30.0
"""A later event counts as never; no client waits longer."""

OPENER_MS = 500.0
"""Milliseconds of the request that keeps the model busy while a batch waits behind it."""

BATCH = 8
CLIENTS = 8
LATE = 4
"""Further clients, each with one request in the middle of the drain."""

Seen = dict[str, float | None]
"""Values by the keys in FIGURES; None for never."""


@frozen
class Figure:
    """One line of the table."""

    row: str
    key: str
    title: str
    unit: Literal["s", "", "B", "code", "%"] = "s"


def _stop_figures(row: str, signal_name: str) -> tuple[Figure, ...]:
    return (
        Figure(row, "in_flight", f"{signal_name}, {CLIENTS} clients: in flight at the signal", ""),
        Figure(row, "in_flight_lost", "… lost of them", ""),
        Figure(row, "known", "… until the last of them is answered or fails"),
        Figure(row, "later", f"… sent within {DRAIN_SECONDS:g} s after the signal", ""),
        Figure(row, "later_lost", "… lost of these", ""),
        Figure(row, "exit_code", "… exit code", "code"),
        Figure(row, "gone", "… until every process is gone"),
        Figure(row, "shm", "… left in /dev/shm", "B"),
        Figure(row, "files", "… left in temporary files", "B"),
    )


FIGURES = (
    *_stop_figures("stop", "2 SIGTERM"),
    *_stop_figures("interrupt", "2 SIGINT"),
    Figure("worker", "failed", "3 model's process SIGKILL, 8 clients: requests failed", ""),
    Figure("worker", "known", "… until the last of those in flight has its answer or error"),
    Figure("worker", "again", "… until requests are answered again"),
    Figure("worker", "ready", "… answers of /v2/health/ready meanwhile that are 200", "%"),
    Figure("server", "again", "5 tritonserver SIGKILL, 8 clients: until requests are answered again"),
    Figure("server", "exit_code", "… exit code of the host", "code"),
    Figure("host", "gone", "6 host SIGKILL, 8 clients: until every process is gone and the ports are free"),
    Figure("host", "processes", "… processes left then", ""),
    Figure("host", "ports", "… ports taken then", ""),
    Figure("host", "shm", "… left in /dev/shm", "B"),
    Figure("host", "files", "… left in temporary files", "B"),
    Figure("hang", "freed", "8 callable hangs, limit 1 s: until its client is freed"),
    Figure("hang", "again", "… until other requests to the model are answered"),
    Figure("hang", "ready", "… answers of /v2/health/ready meanwhile that are 200", "%"),
    Figure("batch", "neighbours_lost", f"10 one of {BATCH} in a batch raises: other requests that fail", ""),
    Figure("batch", "paths", "… answers that show the traceback", ""),
)


class ReadinessProbe:
    """Asks for readiness ten times a second, in a thread; a context manager."""

    def __init__(self, subject: Subject) -> None:
        self._subject, self._stop = subject, threading.Event()
        self._statuses: list[int] = []
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> ReadinessProbe:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def percent_ready(self) -> float | None:
        """Share of the answers that are 200; None without answers."""
        return 100 * self._statuses.count(200) / len(self._statuses) if self._statuses else None

    def _run(self) -> None:
        while not self._stop.wait(0.1):
            self._statuses.append(self._subject.ready())


def known(sent: list[Sent], moment: float) -> float | None:
    """Seconds from ``moment`` to the end of the last request; None if one ended by its client's own timeout."""
    if any(each.error and each.ended - each.began > 0.98 * LIMIT_SECONDS for each in sent):
        return None
    return max((each.ended - moment for each in sent), default=0.0)


def seconds_to_answer(load: Load, moment: float) -> float | None:
    """Seconds from ``moment`` to the first answer to a request that was sent after it."""
    answered = load.answered_after(moment)
    return None if answered is None else answered - moment


def at_work(load: Load) -> None:
    """Wait until the clients get answers."""
    if not wait_until(lambda: sum(not each.error for each in [*load.sent]) > 32, LIMIT_SECONDS):
        raise BenchmarkError(f"the clients get no answers: {[each.error for each in load.failed[:3]]}")


def left(subject: Subject) -> Seen:
    """The bytes that the server left in files and in shared memory."""
    return {"shm": subject.shm_left(), "files": subject.files_left()}


def stop(subject: Subject, number: signal.Signals = signal.SIGTERM) -> Seen:
    """A signal under load; the clients continue, and others come."""
    with work(subject.place, LIMIT_SECONDS, CLIENTS) as load:
        at_work(load)
        subject.remember_traces()
        signalled = time.monotonic()
        os.kill(subject.server.pid, number)
        time.sleep(DRAIN_SECONDS / 2)
        with crowd(subject.place, [WORK_MS] * LATE, LIMIT_SECONDS) as late:
            ended = wait_until(lambda: subject.server.exit_code is not None and not subject.members(), LIMIT_SECONDS)
            gone = time.monotonic() - signalled
            code, traces = subject.server.exit_code, left(subject)
    subject.note(load.failed)
    later = [
        each
        for each in [*load.sent, *(one.result() for one in late)]
        if signalled < each.began < signalled + DRAIN_SECONDS
    ]
    found: Seen = {**lost("in_flight", load.in_flight(signalled)), **lost("later", later), **traces}
    return {
        **found,
        "known": known(load.in_flight(signalled), signalled),
        "exit_code": code,
        "gone": gone if ended else None,
    }


def lost(key: str, sent: list[Sent]) -> Seen:
    """The number of requests, and how many of them failed."""
    return {key: len(sent), f"{key}_lost": sum(bool(each.error) for each in sent)}


def worker(subject: Subject) -> Seen:
    """SIGKILL to the process that runs the model."""
    with work(subject.place, LIMIT_SECONDS) as load, ReadinessProbe(subject) as probe:
        at_work(load)
        victim = subject.worker()
        killed = time.monotonic()
        victim.kill()
        wait_until(lambda: load.answered_after(killed) is not None, LIMIT_SECONDS)
        percent = probe.percent_ready
        load.stop()
    subject.note(load.failed)
    sent = [each for each in load.in_flight(killed) if each.error]
    again = seconds_to_answer(load, killed)
    return {"failed": len(load.failed), "known": known(sent, killed), "again": again, "ready": percent}


def server(subject: Subject) -> Seen:
    """SIGKILL to tritonserver; the host may end."""
    with work(subject.place, LIMIT_SECONDS) as load:
        at_work(load)
        victim = subject.tritonserver()
        victim.kill()
        # Until it has ended, it may answer requests that it has already received.
        wait_until(lambda: not victim.alive, LIMIT_SECONDS)
        killed = time.monotonic()
        wait_until(
            lambda: load.answered_after(killed) is not None or subject.server.exit_code is not None, LIMIT_SECONDS
        )
    subject.note(load.failed)
    return {"again": seconds_to_answer(load, killed), "exit_code": subject.server.exit_code}


def host(subject: Subject) -> Seen:
    """SIGKILL to the process that was started."""
    with work(subject.place, LIMIT_SECONDS) as load:
        at_work(load)
        subject.remember_traces()
        killed = time.monotonic()
        os.kill(subject.server.pid, signal.SIGKILL)
        ended = wait_until(lambda: not subject.members() and not subject.ports_taken(), LIMIT_SECONDS)
        gone = time.monotonic() - killed
        rest: Seen = {"processes": len(subject.members()), "ports": subject.ports_taken(), **left(subject)}
        subject.clean()
    subject.note(load.failed)
    return {"gone": gone if ended else None, **rest}


def hang(subject: Subject) -> Seen:
    """A request whose callable never returns; then others come."""
    with crowd(subject.place, [HANG], LIMIT_SECONDS) as (hanging,), ReadinessProbe(subject) as probe:
        began = time.monotonic()
        time.sleep(0.2)
        with work(subject.place, LIMIT_SECONDS, clients=4) as load:
            wait_until(lambda: load.answered_after(began) is not None, LIMIT_SECONDS)
            percent = probe.percent_ready
        freed = hanging.result()
    subject.note([freed, *load.failed])
    return {"freed": known([freed], freed.began), "again": seconds_to_answer(load, began), "ready": percent}


def batch(subject: Subject) -> Seen:
    """Several requests at the same time behind one that keeps the model busy; the first of them raises."""
    with (
        crowd(subject.place, [OPENER_MS], LIMIT_SECONDS),
        crowd(subject.place, [RAISE, *[WORK_MS] * (BATCH - 1)], LIMIT_SECONDS) as requests,
    ):
        sent = [each.result() for each in requests]
    subject.note(sent)
    shown = [each for each in sent if "Traceback" in each.error or ".py" in each.error]
    return {"neighbours_lost": sum(bool(each.error) for each in sent[1:]), "paths": len(shown)}


ROWS: dict[str, Callable[[Subject], Seen]] = {
    "stop": stop,
    "interrupt": functools.partial(stop, number=signal.SIGINT),
    "worker": worker,
    "server": server,
    "host": host,
    "hang": hang,
    "batch": batch,
}
"""The rows in the order of each round."""
