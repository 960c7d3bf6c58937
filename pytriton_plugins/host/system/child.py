"""Child processes: each has a session of its own, output line by line, and an end that can be awaited."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from pytriton_plugins.host.log.line_reader import LineReader, LineReceiver
from pytriton_plugins.host.tasks import discard

OWN_TASKS = Path("/proc/self/task")
_READ_SIZE = 65536
_MAX_LAST_READS = 16
"""Reads at a child's end: more than a pipe holds, and a limit where its own children go on writing."""

_READ_PAUSE = 0.005
"""Seconds between two reads from a child whose lines are left out: 13 MB/s cost the daemon nothing."""

_LONG_READ_PAUSE = 0.1
"""The same for a child that repeats one line: it is in a loop without progress."""

_COUNT_INTERVAL = 1.0
"""Seconds between two messages about lines that are left out."""

_GROUP_TIMEOUT = 0.3
"""Seconds for the processes that a child has forked to end by themselves after the child's end."""

_POLL_INTERVAL = 0.005
"""Seconds between two looks whether they have ended."""

_running: set[Child] = set()
"""The children of this process that were started here and are not reaped yet."""


def running_children() -> set[int]:
    """The process ids of all children that `Child` started and has not reaped."""
    return {child.pid for child in _running}


async def kill_children(timeout: float) -> None:
    """End every running child, and wait at most ``timeout`` seconds until all are reaped, with their groups."""
    children = list(_running)
    for child in children:
        child.kill()
    if children:
        await asyncio.wait([child.reaped for child in children], timeout=timeout)
    for child in [*_running]:
        # The child may ignore any signal while it waits for a device, but not the rest of its group.
        child.signal_group(signal.SIGKILL)


class Endable(Protocol):
    """A process, or its link."""

    async def wait(self) -> object:
        """Return when it has ended."""


async def first_end(*processes: Endable) -> None:
    """Return when one of these has ended."""
    ends: list[asyncio.Future[object]] = [asyncio.ensure_future(each.wait()) for each in processes]
    try:
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    finally:
        discard(*ends)


def describe_exit(status: int) -> str:
    """The meaning of ``status``, as `subprocess` gives it: ``exit code 3`` or ``killed by SIGSEGV``."""
    if status >= 0:
        return f"exit code {status}"
    try:
        return f"killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"killed by signal {-status}"


def children_of(tasks: Path) -> set[int]:
    """The children of the process with the threads ``tasks``, a folder of ``/proc``.

    Raises OSError where no descriptor is left to look with.
    """
    found: set[int] = set()
    for task in tasks.iterdir():
        with contextlib.suppress(OSError):  # a thread that ended meanwhile
            found.update(map(int, (task / "children").read_text().split()))
    return found


def _group(pid: int) -> int:
    """The process group of a child; 0 for one that is gone."""
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return 0


def _status(pid: int) -> int:
    """How a child has ended, as `subprocess` gives it; the child is not reaped by this."""
    try:
        ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    except ChildProcessError:
        return 0  # other code has reaped it; `subprocess` says the same
    assert ended is not None
    return ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status


class Child:
    """One running child. It leads a session of its own, so that signals of a terminal do not reach it."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        inherit: Sequence[int],
        env: Mapping[str, str],
        output: LineReceiver,
        slow_repeats: bool = False,
    ) -> None:
        """Start ``command`` with the descriptors ``inherit``; ``output`` gets its lines, within a rate.

        ``slow_repeats``: a child that prints the same line without end waits longer for its reader.
        """
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=inherit,
            env=env,
            start_new_session=True,
        )
        self.pid = self._process.pid
        _running.add(self)
        self._receiver = output
        self._slow_repeats = slow_repeats
        self._loop = asyncio.get_running_loop()
        self._lines = LineReader(output, self._loop.time())
        self._ended: asyncio.Future[int] = self._loop.create_future()
        self.reaped: asyncio.Future[None] = self._loop.create_future()
        """Done once it has ended and its group was signalled."""
        self._pidfd = os.pidfd_open(self.pid)
        self._loop.add_reader(self._pidfd, self._on_exit)
        assert self._process.stdout is not None
        self._output = self._process.stdout.fileno()
        os.set_blocking(self._output, False)
        self._loop.add_reader(self._output, self._on_output)

    @property
    def first_lines(self) -> Sequence[str]:
        return self._lines.first

    @property
    def last_lines(self) -> Sequence[str]:
        return self._lines.last

    @property
    def running(self) -> bool:
        return not self._ended.done()

    async def wait(self) -> int:
        """Its exit status, as `subprocess` gives it: negative for a signal."""
        return await asyncio.shield(self._ended)

    def signal_group(self, number: signal.Signals) -> None:
        """Send a signal to the child and what it forked into its group; nothing happens once it is reaped."""
        if not self.reaped.done():  # else the number may be another's by now
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, number)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the child; nothing happens once it has ended."""
        if self.running:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, number)

    def kill(self) -> None:
        """End the child at once, and then what it forked into its group."""
        self.signal(signal.SIGKILL)

    def _on_exit(self) -> None:
        self._loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        for _ in range(_MAX_LAST_READS):
            if not self._read_output():
                break
        self._tell_left_out()
        # Not reaped yet: as long as it is a zombie, the group's number is its own.
        self._ended.set_result(_status(self.pid))
        # Processes that the child forked may hold its ports and memory. SIGTERM comes first: Python's resource tracker
        # ignores it, and removes the named shared memory that the child has left.
        self.signal_group(signal.SIGTERM)
        self._end_group(self._loop.time() + _GROUP_TIMEOUT)

    def _end_group(self, deadline: float) -> None:
        if self._has_group() and self._loop.time() < deadline:
            self._loop.call_later(_POLL_INTERVAL, self._end_group, deadline)
            return
        self.signal_group(signal.SIGKILL)
        self._process.wait()
        _running.discard(self)
        self.reaped.set_result(None)

    def _has_group(self) -> bool:
        """Whether the child, which has ended, has left processes in its group that this process has adopted."""
        try:
            return any(pid != self.pid and _group(pid) == self.pid for pid in children_of(OWN_TASKS))
        except OSError:
            return False  # no descriptor is left to look with: they are killed at once

    def _on_output(self) -> None:
        # One read at a time, and the loop calls again: endless output must not hold up the daemon.
        before = self._lines.left_out
        if self._read_output() and self._lines.left_out > before:
            if not before:
                self._loop.call_later(_COUNT_INTERVAL, self._tell_left_out)
            self._loop.remove_reader(self._output)
            slow = self._slow_repeats and self._lines.repeats
            self._loop.call_later(_LONG_READ_PAUSE if slow else _READ_PAUSE, self._resume_reading)

    def _resume_reading(self) -> None:
        if self._process.stdout is not None and not self._process.stdout.closed:
            self._loop.add_reader(self._output, self._on_output)

    def _tell_left_out(self) -> None:
        if self._lines.left_out:
            count, self._lines.left_out = self._lines.left_out, 0
            self._receiver.left_out(count, self.last_lines[-1] if self.last_lines else "")

    def _read_output(self) -> bool:
        """Read once; False when there is nothing more for now."""
        if self._process.stdout is None or self._process.stdout.closed:
            return False
        try:
            data = os.read(self._output, _READ_SIZE)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        self._lines.feed(data, self._loop.time())
        if not data:
            self._loop.remove_reader(self._output)
            self._process.stdout.close()
        return bool(data)
