"""Child processes of the host: a session of their own, output line by line, an end that can be awaited."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pytriton_plugins.host.log.line_reader import LineReader
from pytriton_plugins.host.tasks import discard

OWN_TASKS = Path("/proc/self/task")
_READ_SIZE = 65536
_LAST_READS = 16
"""Reads at a child's end: more than a pipe holds, and an end for what its own children go on writing."""

_BREATH = 0.005
"""Seconds that who prints more than anybody reads waits for each full pipe: 13 MB/s cost the host nothing."""

_LONG_BREATH = 0.1
"""The same for who repeats one line and is slowed down then: it is in a loop that does not get on."""

_COUNT_FOR = 1.0
"""Seconds whose lines are counted together when they are left out."""

_LAST_MOMENT = 0.3
"""Seconds that what a child has forked gets for ending by itself once the child has ended."""

_LOOK_AGAIN = 0.005
"""Seconds between two looks at whether it has."""

_running: set[Child] = set()
"""The children of this process that were started here and are not reaped yet."""


def running_children() -> set[int]:
    """The process ids of all children that `Child` started and has not reaped."""
    return {child.pid for child in _running}


async def kill_children(patience: float) -> None:
    """End every running child, and wait at most ``patience`` seconds until all are reaped, with their groups."""
    children = list(_running)
    for child in children:
        child.kill()
    if children:
        await asyncio.wait([child.reaped for child in children], timeout=patience)
    for child in [*_running]:
        child.signal_group(signal.SIGKILL)  # a process may be beyond any signal, but not the rest of its group


async def first_end(*children: Child) -> None:
    """Return when one of these children has ended."""
    ends = [asyncio.ensure_future(child.wait()) for child in children]
    try:
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    finally:
        discard(*ends)


def describe_exit(status: int) -> str:
    """What ``status``, as `subprocess` gives it, means: ``exit code 3`` or ``killed by SIGSEGV``."""
    if status >= 0:
        return f"exit code {status}"
    try:
        return f"killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"killed by signal {-status}"


def children_of(tasks: Path) -> set[int]:
    """The children of the process whose threads are ``tasks``, a folder of ``/proc``.

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
        return 0  # somebody else has reaped it; `subprocess` says the same
    assert ended is not None
    return ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status


class Child:
    """One running child. It leads a session of its own, so that nobody signals it behind the host's back."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        inherit: Sequence[int],
        env: Mapping[str, str],
        on_line: Callable[[str], None],
        on_left_out: Callable[[int], None] = lambda count: None,
        slow_repeats: bool = False,
    ) -> None:
        """Start ``command`` with the descriptors ``inherit``; ``on_line`` gets each line of its output.

        Of one that prints without end it gets some, and ``on_left_out`` the number of the others (line_reader.py).
        ``slow_repeats``: one that prints the same line without end waits longer for its reader.
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
        self._lines = LineReader(on_line)
        self._on_left_out = on_left_out
        self._slow_repeats = slow_repeats
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[int] = self._loop.create_future()
        self.reaped: asyncio.Future[None] = self._loop.create_future()
        """It has ended, and what it forked into its group was told to."""
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
        for _ in range(_LAST_READS):
            if not self._read_output():
                break
        self._tell_left_out()
        # Not reaped yet: as long as it is a zombie, the group's number is its own.
        self._ended.set_result(_status(self.pid))
        # What the child forked may hold its ports and memory. It is asked first: Python's resource tracker ignores
        # SIGTERM, and removes the named shared memory that the child has left.
        self.signal_group(signal.SIGTERM)
        self._end_group(self._loop.time() + _LAST_MOMENT)

    def _end_group(self, deadline: float) -> None:
        if self._has_group() and self._loop.time() < deadline:
            self._loop.call_later(_LOOK_AGAIN, self._end_group, deadline)
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
        # One read at a time, and the loop calls again: who prints without end must not keep everyone else waiting.
        before = self._lines.left_out
        if self._read_output() and self._lines.left_out > before:
            if not before:
                self._loop.call_later(_COUNT_FOR, self._tell_left_out)
            self._loop.remove_reader(self._output)
            slow = self._slow_repeats and self._lines.repeats
            self._loop.call_later(_LONG_BREATH if slow else _BREATH, self._read_on)

    def _read_on(self) -> None:
        if self._process.stdout is not None and not self._process.stdout.closed:
            self._loop.add_reader(self._output, self._on_output)

    def _tell_left_out(self) -> None:
        if self._lines.left_out:
            count, self._lines.left_out = self._lines.left_out, 0
            self._on_left_out(count)

    def _read_output(self) -> bool:
        """Take in what one read gives; False when there is nothing more for now."""
        if self._process.stdout is None or self._process.stdout.closed:
            return False
        try:
            data = os.read(self._output, _READ_SIZE)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        self._lines.feed(data)
        if not data:
            self._loop.remove_reader(self._output)
            self._process.stdout.close()
        return bool(data)
