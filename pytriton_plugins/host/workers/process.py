"""A worker process as the daemon sees it: started, set to serve, asked, ended."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from pytriton_plugins.discovery.references import ModelReference, without_name
from pytriton_plugins.errors import PytritonPluginsError
from pytriton_plugins.host.log.setup import about
from pytriton_plugins.host.memory.ledger import Grant
from pytriton_plugins.host.system.child import Child, describe_exit
from pytriton_plugins.host.timeouts import within
from pytriton_plugins.host.workers.hello import wrong_version
from pytriton_plugins.host.workers.launching import Launch, spawn
from pytriton_plugins.host.workers.output import WorkerOutput, unmarked
from pytriton_plugins.host.workers.pings import Pings
from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.shm.long import MAX_LONG, receive_json, send_json
from pytriton_plugins.text import one_line
from pytriton_plugins.values import WorkerExit, WorkerInfo

if TYPE_CHECKING:
    from pytriton_plugins.config.resolver import EffectiveModel

_LOG = logging.getLogger("pytriton.worker")
_KILL_TIMEOUT = 0.5
"""Seconds for the end of a killed process."""

_MAX_REASON = 4000
"""Characters of the reason for a failure: it stands in the log, the table and `status`."""

_MAX_NOTES = 10
"""Lines that a worker may have logged about its import; an honest one has no more (discovery/namesakes.py)."""

_CRASH_TIMEOUT = 0.5
"""Seconds from the end of a channel to the end of its worker, if that has crashed."""

_UNWIND_TIMEOUT = 5.0
"""Seconds for the end of a worker that has announced it."""

_MAX_LAST_MESSAGES = 1024
"""More than a socket holds."""


class WorkerFailed(PytritonPluginsError):
    """The worker could not import its plugin or set up its model, or ended meanwhile."""


class WorkerListener(Protocol):
    """Learns what workers report."""

    def on_worker_need(self, worker: WorkerProcess, message: dict[str, Any]) -> None:
        """The worker needs a larger response segment."""

    def on_worker_metrics(self, worker: WorkerProcess, message: dict[str, Any]) -> None:
        """The metrics of its callable have changed."""

    def on_worker_end(self, worker: WorkerProcess) -> None:
        """It has ended; `WorkerProcess.exit` says how."""


class NoListener:
    """For a worker that imports its plugin and serves nothing."""

    def on_worker_need(self, worker: WorkerProcess, message: dict[str, Any]) -> None: ...

    def on_worker_metrics(self, worker: WorkerProcess, message: dict[str, Any]) -> None: ...

    def on_worker_end(self, worker: WorkerProcess) -> None: ...


class WorkerProcess:
    """One worker process. `declared` and `serve` are its handshake; after that it reports to its listener."""

    def __init__(self, number: int, reference: ModelReference, launch: Launch, listener: WorkerListener) -> None:
        """Start it; raises OSError."""
        self.number = number
        self.reference = reference
        self.launch = launch
        self.model: ModelDeclaration | None = None
        self.files: tuple[str, ...] = ()
        """The files that its plugin was imported from."""
        self.notes: tuple[str, ...] = ()
        """Warnings about its import, one line each."""
        self.exit: WorkerExit | None = None
        """How it ended, once it has."""
        self.expected_to_end = False
        """The daemon ends it, so nothing replaces it."""
        self._ends_for = ""
        """Why it ends, as it reported."""
        self._killed_for = ""
        self._listener = listener
        self._loop = asyncio.get_running_loop()
        self.started = self._loop.time()
        self.pings = Pings()
        self._replies: dict[str, asyncio.Future[dict[str, Any]]] = {
            kind: self._loop.create_future() for kind in ("models", "ready")
        }
        self._output = WorkerOutput(self)
        self.child, self._sock = spawn(launch, reference.value, self._output)
        self._loop.add_reader(self._sock, self._on_readable)
        self._watch = self._loop.create_task(self._fail_with_exit())
        self._watch.add_done_callback(lambda _: listener.on_worker_end(self))

    @property
    def pid(self) -> int:
        return self.child.pid

    @property
    def info(self) -> WorkerInfo:
        """The worker as hooks see it."""
        model = self.model
        name, version = (model.name, model.version) if model else (None, None)
        return WorkerInfo(self.number, self.pid, self.reference.plugin, name, version)

    async def declared(self, timeout: float) -> list[ModelDeclaration]:
        """The models that the plugin holds; raises WorkerFailed with the reason in one line."""
        message = await self._await("models", timeout, "import", "--import-timeout")
        try:
            self.files = tuple(map(str, message.get("files", ())))
            self.notes = tuple(one_line(note) for note in message.get("notes", ())[:_MAX_NOTES])
            return [ModelDeclaration.from_json(plain) for plain in message["models"]]
        except (AttributeError, KeyError, TypeError, ValueError, PytritonPluginsError) as error:
            self.kill()
            reason = one_line(f"{type(error).__name__}: {error}", 200)
            raise WorkerFailed(
                f"its worker's description of its models cannot be read ({reason}); install the same pytriton-plugins "
                f"for {self.launch.python} as for the daemon"
            ) from None

    async def serve(self, model: EffectiveModel, hooks: Sequence[Mapping[str, Any]]) -> None:
        """Let it import the hook plugins (worker/hooks.py), set up a model and warm it up; raises WorkerFailed."""
        self.model = model.declaration
        self._send({"type": "serve", **model.order(), "hooks": hooks})
        await self._await("ready", model.load_timeout, "set-up", "--load-timeout")

    def ping(self) -> None:
        """Send a ping, if none is open."""
        if self.pings.open():
            self._send({"type": "ping"})

    def give_channel(self, sock: socket.socket, response: Grant) -> None:
        """Hand over its end of a channel and the first response segment."""
        self._send({"type": "channel", "segment": response.number}, sock.fileno(), response.descriptor)

    def answer_need(self, token: int, grant: Grant | str) -> None:
        """Answer a request for memory with a segment, or with the reason why there is none."""
        if isinstance(grant, str):
            self._send({"type": "refused", "token": token, "message": grant})
        else:
            self._send({"type": "segment", "token": token, "segment": grant.number}, grant.descriptor)

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

    def finish(self) -> None:
        """Let it end by itself once its channel has ended; nothing replaces it."""
        self.expected_to_end = True
        self._send({"type": "finish"})

    def dismiss(self) -> None:
        """End it at once; nothing replaces it."""
        self.expected_to_end = True
        self.kill()

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

    async def ended(self) -> None:
        """Wait until it has ended; `exit` says how."""
        await asyncio.wait([self._watch])

    async def _await(self, kind: str, timeout: float, stage: str, option: str) -> dict[str, Any]:
        try:
            return await within(asyncio.shield(self._replies[kind]), timeout)
        except TimeoutError:
            self.kill()
            raise WorkerFailed(f"its {stage} took longer than {timeout:g} s; raise {option} if it needs more") from None

    def _send(self, message: dict[str, Any], *descriptors: int) -> None:
        with contextlib.suppress(OSError):  # it is gone, and its end is handled
            send_json(self._sock, message, descriptors)

    def _on_readable(self) -> bool:
        """Receive one message; False when there is none."""
        try:
            # Only its declarations may be long, so that no worker keeps the daemon busy.
            message, descriptors = receive_json(self._sock, 0 if self._replies["models"].done() else MAX_LONG)
            for descriptor in descriptors:
                os.close(descriptor)
            if message is not None:
                self._dispatch(message)
                return True
        except OSError:
            pass  # it ended, and its exit status explains why
        except (ValueError, KeyError, TypeError, RecursionError, PytritonPluginsError) as error:
            plugin = self.reference.plugin
            _LOG.error("%s: the link of worker %d broke: %s", plugin, self.pid, error, extra=about(**self.log_fields()))
            self._fail(f"its link broke: {error}")
            self.kill()
        self._loop.remove_reader(self._sock)
        return False

    def _dispatch(self, message: dict[str, Any]) -> None:
        kind = message["type"]
        if kind == "hello":
            self._check_version(message)
        elif kind == "need":
            if self.child.running:
                self._listener.on_worker_need(self, message)
        elif kind == "ends":
            self._ends_for = one_line(message["reason"], 200)
        elif kind == "pong":
            self.pings.answer()
        elif kind == "metrics":
            self._listener.on_worker_metrics(self, message)
        elif kind == "failed":
            reason = without_name(self.reference, message["message"])
            self._fail(one_line(f"{message['stage']}: {reason}", _MAX_REASON))
        elif kind in self._replies and not self._replies[kind].done():
            self._replies[kind].set_result(message)

    def _check_version(self, hello: dict[str, Any]) -> None:
        if problem := wrong_version(hello, self.launch.python):
            self._fail(problem)
            self.kill(problem)

    def _fail(self, reason: str) -> None:
        for reply in self._replies.values():
            if not reply.done():
                reply.set_exception(WorkerFailed(reason))
                reply.exception()  # it may have no waiter

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

    def log_fields(self) -> dict[str, Any]:
        """The fields of its lines in the log."""
        model = self.model.name if self.model else None
        return {"plugin": self.reference.plugin, "model": model, "worker": self.child.pid}


def _last(child: Child) -> str:
    return f"; its last line: {unmarked(child.last_lines[-1])}" if child.last_lines else ""
