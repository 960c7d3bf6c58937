"""A worker process as the daemon sees it: started, set to serve, asked, ended."""

from __future__ import annotations

import asyncio
import logging
import signal
from typing import TYPE_CHECKING, Any

from pytriton_plugins.discovery.references import ModelReference
from pytriton_plugins.host.log.setup import about
from pytriton_plugins.host.system.child import Child, describe_exit
from pytriton_plugins.host.timeouts import within
from pytriton_plugins.host.workers.hello import wrong_version
from pytriton_plugins.host.workers.launching import Launch, spawn
from pytriton_plugins.host.workers.link import LinkedWorker, text_of
from pytriton_plugins.host.workers.output import WorkerOutput, unmarked
from pytriton_plugins.text import one_line
from pytriton_plugins.values import WorkerExit

if TYPE_CHECKING:
    from pytriton_plugins.host.workers.worker import WorkerListener

_LOG = logging.getLogger("pytriton.host")
_KILL_TIMEOUT = 0.5
"""Seconds for the end of a killed process."""

_CRASH_TIMEOUT = 0.5
"""Seconds from the end of a channel to the end of its worker, if that has crashed."""

_UNWIND_TIMEOUT = 5.0
"""Seconds for the end of a worker that has announced it."""

_MAX_LAST_MESSAGES = 1024
"""More than a socket holds."""


class WorkerProcess(LinkedWorker):
    """One worker process that the daemon has started."""

    def __init__(self, number: int, reference: ModelReference, launch: Launch, listener: WorkerListener) -> None:
        """Start it; raises OSError."""
        super().__init__(number, reference, listener)
        self.launch = launch
        self._ends_for = ""
        """Why it ends, as it reported."""
        self._killed_for = ""
        self._output = WorkerOutput(self)
        self.child, sock = spawn(launch, reference.value, self._output)
        self._open(sock)
        self._watch = self._loop.create_task(self._fail_with_exit())
        self._watch.add_done_callback(lambda _: listener.on_worker_end(self))

    @property
    def pid(self) -> int:
        return self.child.pid

    @property
    def running(self) -> bool:
        return self.child.running

    @property
    def _interpreter(self) -> str:
        return self.launch.python

    def was_late(self, channel: int, model: str, reason: str) -> None:
        """A batch took longer than the model's timeout: kill it."""
        _LOG.error("model %s: %s; worker %d is killed", model, reason, self.pid, extra=about(worker=self.pid))
        self.kill(reason)

    def was_silent(self, model: str) -> None:
        """It is idle and has not answered its ping in time: kill it."""
        _LOG.error(
            "model %s: its worker %d is idle and has not answered for %.0f s; it is killed",
            model, self.pid, self.pings.silent_for,
        )  # fmt: skip
        self.kill("it was idle and did not answer")

    async def stop(self, timeout: float) -> None:
        """Let it close its model, and end it by force after ``timeout`` seconds."""
        self.expected_to_end = True
        self._send({"type": "stop"})
        try:
            await within(self.child.wait(), timeout)
        except TimeoutError:
            self.kill()
        # A process that waits for a device may ignore any signal.
        await asyncio.wait([self._watch], timeout=_KILL_TIMEOUT)

    def kill(self, reason: str = "") -> None:
        """End it at once; ``reason`` explains its end where nothing else does."""
        self._killed_for = self._killed_for or reason
        self.child.kill()

    def end_soon(self) -> None:
        """Its channel has ended: let it end by itself, which explains more than a kill, or kill it soon."""
        self._loop.call_later(_CRASH_TIMEOUT, self._end_by_now)

    def _end_by_now(self) -> None:
        if self._ends_for:
            self._loop.call_later(_UNWIND_TIMEOUT, self.kill, "it did not end by itself")
        else:
            self.kill("it has closed its channel to tritonserver")

    async def wait(self) -> int:
        """Its exit status, once it has ended."""
        return await self.child.wait()

    async def ended(self) -> None:
        """Wait until it has ended; `exit` says how."""
        await asyncio.wait([self._watch])

    def _on_full(self) -> None:
        """Its pings tell whether it lives."""

    def _on_link_end(self) -> None:
        """The end of the process says more."""

    def _dispatch(self, message: dict[str, Any]) -> None:
        if message["type"] == "hello":
            self._check_version(message)
        elif message["type"] == "ends":
            self._ends_for = one_line(text_of(message, "reason"), 200)
        else:
            super()._dispatch(message)

    def _check_version(self, hello: dict[str, Any]) -> None:
        if problem := wrong_version(hello, self.launch.python):
            self._fail(problem)
            self.kill(problem)

    async def _fail_with_exit(self) -> None:
        status = await self.child.wait()
        self._output.flush()
        now = self._loop.time()
        uptime = now - self.started
        self._read_rest()
        self.exit = WorkerExit(status, self._described(status), uptime, self.expected_to_end, now)
        self._fail(f"its worker ended with {self.exit.description}" + _last(self.child))
        self._loop.remove_reader(self._sock)
        self._sock.close()

    def _described(self, status: int) -> str:
        """How it ended and why. The kernel sends SIGKILL too, when memory is short."""
        killed = status == -signal.SIGKILL and self._killed_for
        how = "a kill by the daemon" if killed else describe_exit(status)
        why = self._ends_for or (self._killed_for if killed else "")
        return f"{how}: {why}" if why else how

    def _read_rest(self) -> None:
        """Receive the last messages, which may still be in the socket after its end."""
        self._sock.setblocking(False)
        for _ in range(_MAX_LAST_MESSAGES):
            if not self._on_readable():
                return


def _last(child: Child) -> str:
    return f"; its last line: {unmarked(child.last_lines[-1])}" if child.last_lines else ""
