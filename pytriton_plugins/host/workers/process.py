"""A worker process as its host sees it: spawned, asked, set to serve; runs in the host's event loop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs

from pytriton_plugins.discovery.references import ModelReference, without_name
from pytriton_plugins.errors import PytritonPluginsError
from pytriton_plugins.host.log.setup import about
from pytriton_plugins.host.memory.ledger import Grant
from pytriton_plugins.host.system.child import Child, describe_exit
from pytriton_plugins.host.system.hardening import let_go_first
from pytriton_plugins.host.system.resource_limits import restore_descriptors
from pytriton_plugins.host.timeouts import within
from pytriton_plugins.host.workers.output import WorkerOutput, unmarked
from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.shm.long import MAX_LONG, receive_json, send_json
from pytriton_plugins.shm.sockets import socket_pair
from pytriton_plugins.text import one_line
from pytriton_plugins.values import WorkerExit, WorkerInfo

_LOG = logging.getLogger("pytriton.worker")
_KILLED_WITHIN = 0.5
"""Seconds in which the end of a killed process is seen."""

_LONGEST_REASON = 4000
"""Characters of what a worker says of its failure: it stands in the log, the table and `status`."""

_MOST_NOTES = 10
"""Lines that a worker may have logged about its import: an honest one has no more (discovery/namesakes.py)."""

_CRASHES_WITHIN = 0.5
"""Seconds from the end of a channel until its worker's own end is seen, if it has crashed."""

_UNWINDS_WITHIN = 5.0
"""Seconds that a worker has for its own end once it has said that it ends."""

_LAST_MESSAGES = 1024
"""More than a socket holds."""


# `python -m` would look into the current folder before the installed packages, and find a checkout or a json.py there.
_NAME = "pytriton_plugins.worker"
_START = (
    "import sys; sys.path[:1] = [] if sys.path[0] == '' else sys.path[:1]; "
    "from pytriton_plugins.worker.main import main; sys.exit(main(sys.argv[2:]))"
)


class WorkerFailed(PytritonPluginsError):
    """The worker could not import its plugin or set up its model, or ended meanwhile."""


@attrs.frozen
class Launch:
    """How a worker is started: with which interpreter and variables, and which folders stand last on its path."""

    python: str = sys.executable
    env: Mapping[str, str] = attrs.Factory(lambda: dict(os.environ))
    path: Sequence[str] = ()


@attrs.frozen
class Order:
    """What a worker is to serve.

    ``settings`` of a class; the ``hooks`` plugins that it needs (worker/hooks.py); which parameters of requests are
    ``headers``, and the headers' names.
    """

    model: ModelDeclaration
    settings: Mapping[str, Any] = attrs.Factory(dict)
    hooks: Sequence[Mapping[str, Any]] = ()
    headers: Mapping[str, str] = attrs.Factory(dict)

    def to_json(self) -> dict[str, Any]:
        model = {"model": self.model.name, "version": self.model.version}
        warmup = self.model.triton_config.get("model_warmup", [])
        given = {"settings": self.settings, "hooks": list(self.hooks), "headers": self.headers}
        return {**model, **given, "warmup": warmup}


class Worker:
    """One worker process. `declared` and `serve` are its handshake; after that it asks, tells and ends."""

    def __init__(
        self,
        number: int,
        reference: ModelReference,
        launch: Launch,
        on_need: Callable[[Worker, dict[str, Any]], None],
        on_end: Callable[[Worker], object],
        on_metrics: Callable[[Worker, dict[str, Any]], None] = lambda worker, message: None,
    ) -> None:
        """Spawn it; raises OSError. ``on_need`` gets its wishes for a larger response segment."""
        self.number = number
        self.reference = reference
        self.launch = launch
        self.model: ModelDeclaration | None = None
        self.files: tuple[str, ...] = ()
        """What its plugin was imported from."""
        self.notes: tuple[str, ...] = ()
        """Warnings about its import, one line each."""
        self.exit: WorkerExit | None = None
        """How it ended, once it has."""
        self.expected_to_end = False
        """The daemon ends it."""
        self._ends_for = ""
        """Why it ends, by its own account."""
        self._killed_for = ""
        self._on_need = on_need
        self._on_metrics = on_metrics
        self._loop = asyncio.get_running_loop()
        self.started = self._loop.time()
        self.excused = False
        self._asked: float | None = None
        """When it was asked something that it has not answered."""
        self._said: dict[str, asyncio.Future[dict[str, Any]]] = {
            kind: self._loop.create_future() for kind in ("models", "ready")
        }
        self._output = WorkerOutput(self._about)
        self._spawn()
        self._loop.add_reader(self._sock, self._on_readable)
        self._watch = self._loop.create_task(self._fail_with_exit())
        self._watch.add_done_callback(lambda _: on_end(self))

    def _spawn(self) -> None:
        """The process, its link and its kill pipe; raises OSError, and leaves nothing open then."""
        with contextlib.ExitStack() as theirs, contextlib.ExitStack() as ours:
            self._sock, peer = socket_pair()
            theirs.enter_context(peer)
            ours.enter_context(self._sock)
            read_end, self._kill_pipe = os.pipe2(os.O_CLOEXEC)
            theirs.callback(os.close, read_end)
            ours.callback(os.close, self._kill_pipe)
            self.child = self._start(peer.fileno(), read_end)
            # Only then: to close it is to kill what the worker has forked, which has a moment to end by itself.
            self.child.reaped.add_done_callback(lambda _: os.close(self._kill_pipe))
            ours.pop_all()
        let_go_first(self.child.pid)
        restore_descriptors(self.child.pid)

    def _start(self, link: int, kill_pipe: int) -> Child:
        launch = self.launch
        level = "DEBUG" if _LOG.isEnabledFor(logging.DEBUG) else "INFO"
        arguments = [str(link), str(kill_pipe), level, self.reference.value, *launch.path]
        command = [launch.python, "-c", _START, _NAME, *arguments]
        env = {"PYTHONUNBUFFERED": "1", **launch.env}
        output = self._output
        return Child(command, inherit=[link, kill_pipe], env=env, on_line=output.add, on_left_out=output.left_out)

    @property
    def pid(self) -> int:
        return self.child.pid

    @property
    def info(self) -> WorkerInfo:
        """What hooks see of it."""
        model = self.model
        name, version = (model.name, model.version) if model else (None, None)
        return WorkerInfo(self.number, self.pid, self.reference.plugin, name, version)

    async def declared(self, timeout: float) -> list[ModelDeclaration]:
        """The models that the plugin holds; raises WorkerFailed with the reason in one line."""
        message = await self._await("models", timeout, "import", "--import-timeout")
        try:
            self.files = tuple(map(str, message.get("files", ())))
            self.notes = tuple(one_line(note) for note in message.get("notes", ())[:_MOST_NOTES])
            return [ModelDeclaration.from_json(plain) for plain in message["models"]]
        except (AttributeError, KeyError, TypeError, ValueError, PytritonPluginsError) as error:
            self.kill()
            said = one_line(f"{type(error).__name__}: {error}", 200)
            raise WorkerFailed(
                f"what its worker says of its models cannot be read ({said}); install the same pytriton-plugins for "
                f"{self.launch.python} as for the daemon"
            ) from None

    async def serve(self, order: Order, timeout: float) -> None:
        """Have it set up a model and warm it up; raises WorkerFailed."""
        self.model = order.model
        self._send({"type": "serve", **order.to_json()})
        await self._await("ready", timeout, "set-up", "--load-timeout")

    @property
    def silent_for(self) -> float:
        """Seconds since it was asked what it has not answered."""
        return 0.0 if self._asked is None else self._loop.time() - self._asked

    def heard(self) -> None:
        """It is there, or its silence has another reason."""
        self._asked = None

    def excuse(self) -> None:
        """It may run a batch of a server that has ended: its silence means nothing until it is heard of again."""
        self.excused = True

    def ask(self) -> None:
        """Ask whether it is there, if no such question is open."""
        if self._asked is None:
            self._asked = self._loop.time()
            self._send({"type": "ping"})

    def give_channel(self, sock: socket.socket, response: Grant) -> None:
        """Hand over its end of a channel and the first response segment."""
        self._send({"type": "channel", "segment": response.number}, sock.fileno(), response.descriptor)

    def answer_need(self, token: int, grant: Grant | str) -> None:
        """Answer a wish with a segment, or with the reason why there is none."""
        if isinstance(grant, str):
            self._send({"type": "refused", "token": token, "message": grant})
        else:
            self._send({"type": "segment", "token": token, "segment": grant.number}, grant.descriptor)

    async def stop(self, patience: float) -> None:
        """Let it close its model, and end it by force after ``patience`` seconds."""
        self.expected_to_end = True
        self._send({"type": "stop"})
        try:
            await within(self.child.wait(), patience)
        except TimeoutError:
            self.kill()
        # A process may be beyond any signal, waiting for a device.
        await asyncio.wait([self._watch], timeout=_KILLED_WITHIN)

    def finish(self) -> None:
        """Let it end by itself once its channel has ended; the daemon wants it so."""
        self.expected_to_end = True
        self._send({"type": "finish"})

    def dismiss(self) -> None:
        """End it at once, as the daemon wants it: nothing comes in its place."""
        self.expected_to_end = True
        self.kill()

    def kill(self, reason: str = "") -> None:
        """End it at once; ``reason`` is what is said of its end, if that is not told in another way."""
        self._killed_for = self._killed_for or reason
        self.child.kill()

    def end_soon(self) -> None:
        """Its channel has ended: it is about to end by itself, which says more than a kill, or it is of no use."""
        self._loop.call_later(_CRASHES_WITHIN, self._end_by_now)

    def _end_by_now(self) -> None:
        if self._ends_for:
            self._loop.call_later(_UNWINDS_WITHIN, self.kill, "it did not end by itself")
        else:
            self.kill("it has closed its channel to tritonserver")

    async def ended(self) -> None:
        """Wait until it has ended, and `exit` tells how."""
        await asyncio.wait([self._watch])

    async def _await(self, kind: str, timeout: float, stage: str, option: str) -> dict[str, Any]:
        try:
            return await within(asyncio.shield(self._said[kind]), timeout)
        except TimeoutError:
            self.kill()
            raise WorkerFailed(f"its {stage} took longer than {timeout:g} s; raise {option} if it needs more") from None

    def _send(self, message: dict[str, Any], *descriptors: int) -> None:
        with contextlib.suppress(OSError):  # it is gone, and its end is being dealt with
            send_json(self._sock, message, descriptors)

    def _on_readable(self) -> bool:
        """Take in one message; False when there is none."""
        try:
            # Only its declarations may be long: no worker keeps the daemon busy with what else it says.
            message, descriptors = receive_json(self._sock, 0 if self._said["models"].done() else MAX_LONG)
            for descriptor in descriptors:
                os.close(descriptor)
            if message is not None:
                self._dispatch(message)
                return True
        except OSError:
            pass  # it ended, and its exit status tells the rest
        except (ValueError, KeyError, TypeError, RecursionError, PytritonPluginsError) as error:
            plugin = self.reference.plugin
            _LOG.error("%s: the link of worker %d broke: %s", plugin, self.pid, error, extra=about(**self._about()))
            self._fail(f"its link broke: {error}")
            self.kill()
        self._loop.remove_reader(self._sock)
        return False

    def _dispatch(self, message: dict[str, Any]) -> None:
        kind = message["type"]
        if kind == "need":
            if self.child.running:
                self._on_need(self, message)
        elif kind == "ends":
            self._ends_for = one_line(message["reason"], 200)
        elif kind == "pong":
            self.excused = False
            self.heard()
        elif kind == "metrics":
            self._on_metrics(self, message)
        elif kind == "failed":
            reason = without_name(self.reference, message["message"])
            self._fail(one_line(f"{message['stage']}: {reason}", _LONGEST_REASON))
        elif kind in self._said and not self._said[kind].done():
            self._said[kind].set_result(message)

    def _fail(self, reason: str) -> None:
        for said in self._said.values():
            if not said.done():
                said.set_exception(WorkerFailed(reason))
                said.exception()  # nobody may be waiting for this one

    async def _fail_with_exit(self) -> None:
        status = await self.child.wait()
        self._output.flush()
        now = self._loop.time()
        uptime = now - self.started
        self._on_readable_rest()
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

    def _on_readable_rest(self) -> None:
        """What it said last may still be in the socket when its end is already known."""
        self._sock.setblocking(False)
        for _ in range(_LAST_MESSAGES):
            if not self._on_readable():
                return

    def _about(self) -> dict[str, Any]:
        """Whose lines its output is, in the log."""
        model = self.model.name if self.model else None
        return {"plugin": self.reference.plugin, "model": model, "worker": self.child.pid}


def _last(child: Child) -> str:
    return f"; its last line: {unmarked(child.last_lines[-1])}" if child.last_lines else ""
