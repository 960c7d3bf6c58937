"""The order in which workers start, with real processes that compute or wait."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from pytriton_plugins.host.system.processors import usable_processors
from pytriton_plugins.host.workers import start_queue as module
from pytriton_plugins.host.workers.start_queue import StartQueue, start_queue

SOON = 120.0


class MovableLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock the test moves."""

    ahead = 0.0

    def time(self) -> float:
        return super().time() + self.ahead


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, SOON))


def run_with_clock(work: Callable[[MovableLoop], Coroutine[Any, Any, None]]) -> None:
    loop = MovableLoop()
    with contextlib.closing(loop):
        loop.run_until_complete(asyncio.wait_for(work(loop), SOON))


async def take(turns: StartQueue, name: str, end: asyncio.Event, begun: bool = False) -> None:
    async with turns.turn(name, begun=begun):
        await end.wait()


async def a_moment() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def test_so_many_at_a_time_and_workers_that_have_begun_first() -> None:
    """The number of parallel starts is limited; a start that had begun before comes first."""

    async def main() -> None:
        turns, ends = StartQueue(2), {name: asyncio.Event() for name in "abcde"}
        tasks = []
        for name in ends:
            tasks.append(asyncio.ensure_future(take(turns, name, ends[name], begun=name == "d")))
            await a_moment()
        for ended, waiting in [("", "cde"), ("a", "ce"), ("b", "e"), ("d", "")]:
            if ended:
                ends[ended].set()
            await a_moment()
            assert [name for name in ends if turns.awaits(name)] == [*waiting]
        for end in ends.values():
            end.set()
        await asyncio.gather(*tasks)

    run(main())


def test_a_cancelled_start_frees_its_turn() -> None:
    """A cancelled start frees its turn, while it waits and at the moment when its turn comes."""

    async def main() -> None:
        turns = StartQueue(1)
        async with turns.turn("first"):
            waiting = [asyncio.ensure_future(take(turns, "cancelled", asyncio.Event())) for _ in range(2)]
            await a_moment()
            waiting[0].cancel()
            await a_moment()
        waiting[1].cancel()  # its turn has come, and it does not know yet
        await asyncio.wait(waiting)
        assert [each.cancelled() for each in waiting] == [True, True]
        async with turns.turn("last"):
            pass

    run(main())


@pytest.mark.parametrize(
    ("code", "longest"),
    [("import time; time.sleep(600)", 600), ("while True: pass", 0)],
    ids=["it waits for something", "it computes too long"],
)
def test_a_turn_ends_by_itself(code: str, longest: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """A turn ends when its process sleeps or has computed for too long."""
    monkeypatch.setattr(module, "_MAX_TURN", longest)

    async def main() -> None:
        turns = StartQueue(1)
        with subprocess.Popen([sys.executable, "-c", code]) as process:
            try:
                async with turns.turn("first") as turn:
                    turn.watch(process.pid)
                    async with turns.turn("second"):
                        assert process.poll() is None
            finally:
                process.kill()
        async with turns.turn("third"):
            waiting = asyncio.ensure_future(take(turns, "fourth", asyncio.Event()))
            await a_moment()
            assert turns.awaits("fourth"), "a turn was given back twice"
            waiting.cancel()

    run(main())


def test_a_worker_that_computes_keeps_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that computes keeps its turn; one that sleeps loses it."""
    monkeypatch.setattr(module, "_POLL_INTERVAL", SOON / 4)
    monkeypatch.setattr(module, "_MAX_TURN", SOON)

    async def main(loop: MovableLoop) -> None:
        turns = StartQueue(2)
        with (
            subprocess.Popen([sys.executable, "-c", "while True: pass"]) as computes,
            subprocess.Popen(["sleep", "600"]) as sleeps,
        ):
            try:
                async with turns.turn("computes") as first, turns.turn("sleeps") as second:
                    first.watch(computes.pid)
                    second.watch(sleeps.pid)
                    until = module._ticks(computes.pid) + 5
                    while module._ticks(computes.pid) < until:
                        await asyncio.sleep(0.01)
                    loop.ahead = SOON / 4
                    async with turns.turn("third"):  # the turn of who sleeps: both were looked at
                        waiting = asyncio.ensure_future(take(turns, "fourth", asyncio.Event()))
                        await a_moment()
                        assert turns.awaits("fourth")
                        waiting.cancel()
            finally:
                computes.kill()
                sleeps.kill()

    run_with_clock(main)


def test_the_number_of_starts_at_a_time() -> None:
    """The default is two starts for each processor."""

    async def free(parallelism: int | None) -> int:
        """How many of a hundred get a turn."""
        turns, end, names = start_queue(parallelism), asyncio.Event(), [str(number) for number in range(100)]
        tasks = [asyncio.ensure_future(take(turns, name, end)) for name in names]
        await a_moment()
        waiting = sum(map(turns.awaits, names))
        end.set()
        await asyncio.gather(*tasks)
        return 100 - waiting

    assert asyncio.run(free(None)) == 2 * usable_processors()
    assert asyncio.run(free(3)) == 3


def system(root: Path, cgroup: str, files: dict[str, str]) -> Path:
    for path, text in {"proc/self/cgroup": cgroup, **files}.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return root


@pytest.mark.parametrize(
    ("cgroup", "files", "expected"),
    [
        ("0::/a/b\n", {"sys/fs/cgroup/a/b/cpu.max": "max 100000\n"}, 8),
        ("0::/a/b\n", {"sys/fs/cgroup/a/b/cpu.max": "250000 100000\n"}, 3),
        ("0::/a/b\n", {"sys/fs/cgroup/a/b/cpu.max": "max 100000\n", "sys/fs/cgroup/a/cpu.max": "20000 100000\n"}, 1),
        ("0::/\n", {"sys/fs/cgroup/cgroup.procs": ""}, 8),
        (
            "4:cpu,cpuacct:/a\n",
            {"sys/fs/cgroup/cpu/a/cpu.cfs_quota_us": "400000\n", "sys/fs/cgroup/cpu/a/cpu.cfs_period_us": "100000\n"},
            4,
        ),
        (
            "4:cpu,cpuacct:/a\n",
            {"sys/fs/cgroup/cpu/a/cpu.cfs_quota_us": "-1\n", "sys/fs/cgroup/cpu/a/cpu.cfs_period_us": "100000\n"},
            8,
        ),
        ("0::/\n", {"sys/fs/cgroup/cpu.max": "9000000 100000\n"}, 8),
    ],
)
def test_the_processors_that_may_be_used(
    tmp_path: Path, cgroup: str, files: dict[str, str], expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lowest CPU limit of the cgroups counts."""
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: set(range(8)))
    assert usable_processors(system(tmp_path, cgroup, files)) == expected
