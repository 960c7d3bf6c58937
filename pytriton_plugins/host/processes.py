"""Child processes of the host: a session of their own, output line by line, an end that can be awaited."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
from collections import deque
from collections.abc import Callable, Mapping, Sequence

from pytriton_plugins.text import printable

MAX_LINE = 8192
KEPT_LINES = 20


def describe_exit(status: int) -> str:
    """What ``status``, as `subprocess` gives it, means: ``exit code 3`` or ``killed by SIGSEGV``."""
    if status >= 0:
        return f"exit code {status}"
    try:
        return f"killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"killed by signal {-status}"


class Child:
    """One running child. It leads a session of its own, so that nobody signals it behind the host's back."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        inherit: Sequence[int],
        env: Mapping[str, str],
        on_line: Callable[[str], None],
    ) -> None:
        """Start ``command`` with the descriptors ``inherit``; ``on_line`` gets each line of its output."""
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
        self.first_lines: list[str] = []
        self.last_lines: deque[str] = deque(maxlen=KEPT_LINES)
        self._on_line = on_line
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[int] = self._loop.create_future()
        self._pidfd = os.pidfd_open(self.pid)
        self._loop.add_reader(self._pidfd, self._on_exit)
        assert self._process.stdout is not None
        self._output = self._process.stdout.fileno()
        self._rest = b""
        os.set_blocking(self._output, False)
        self._loop.add_reader(self._output, self._on_output)

    @property
    def running(self) -> bool:
        return not self._ended.done()

    async def wait(self) -> int:
        """Its exit status, as `subprocess` gives it: negative for a signal."""
        return await asyncio.shield(self._ended)

    def signal(self, number: signal.Signals, *, group: bool = False) -> None:
        """Send a signal to the child or to its whole process group; nothing happens once it is reaped."""
        if not self.running:
            return  # its number may be another's by now
        with contextlib.suppress(ProcessLookupError):
            if group:
                os.killpg(self.pid, number)
            else:
                signal.pidfd_send_signal(self._pidfd, number)

    def kill(self) -> None:
        """End the child and what it forked into its group."""
        self.signal(signal.SIGKILL, group=True)

    def _on_exit(self) -> None:
        self._loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        self._read_output()
        # What the child forked may hold its ports and memory. Before the reaping: the group's number is still its own.
        self.kill()
        status = self._process.wait()
        self._ended.set_result(status)

    def _on_output(self) -> None:
        if not self._read_output():
            self._loop.remove_reader(self._output)

    def _read_output(self) -> bool:
        """Hand on what can be read now; False at the end."""
        while self._process.stdout and not self._process.stdout.closed:
            try:
                data = os.read(self._output, 65536)
            except BlockingIOError:
                return True
            except OSError:
                return False
            self._split(data)
            if not data:
                self._loop.remove_reader(self._output)
                self._process.stdout.close()
        return False

    def _split(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > MAX_LINE or (not data and self._rest):
            lines.append(self._rest)
            self._rest = b""
        for line in lines:
            text = printable(line[:MAX_LINE].decode(errors="backslashreplace").rstrip())
            if text:
                if len(self.first_lines) < KEPT_LINES:
                    self.first_lines.append(text)
                self.last_lines.append(text)
                self._on_line(text)
