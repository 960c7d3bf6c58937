"""The daemon's end of a worker link: the handshake, pings, channels and memory of any worker."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pytriton_plugins.discovery.references import ModelReference, without_name
from pytriton_plugins.errors import ProtocolError, PytritonPluginsError
from pytriton_plugins.host.log.setup import about
from pytriton_plugins.host.memory.ledger import Grant
from pytriton_plugins.host.timeouts import within
from pytriton_plugins.host.workers.pings import Pings
from pytriton_plugins.host.workers.worker import WorkerFailed
from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.model.declared_fields import read_declaration
from pytriton_plugins.shm.long import MAX_LONG, receive_json, send_json
from pytriton_plugins.text import one_line
from pytriton_plugins.values import WorkerExit, WorkerInfo

if TYPE_CHECKING:
    from pytriton_plugins.config.resolver import EffectiveModel
    from pytriton_plugins.host.workers.worker import WorkerListener

_LOG = logging.getLogger("pytriton.worker")
_MAX_REASON = 4000
"""Characters of the reason for a failure: it stands in the log, the table and `status`."""

_MAX_NOTES = 10
"""Lines that a worker may have logged about its import; an honest one has no more (discovery/namesakes.py)."""


class LinkedWorker(ABC):
    """What all workers share; a subclass knows the process: `pid`, `running`, `kill` and the end of the link."""

    is_attached = False
    _send_timeout = 5.0
    """Seconds for which the daemon waits until there is room for a message."""

    def __init__(self, number: int, reference: ModelReference, listener: WorkerListener) -> None:
        self.number = number
        self.index = 0
        """Its place among the workers of its model."""
        self.reference = reference
        self.model: ModelDeclaration | None = None
        self.files: tuple[str, ...] = ()
        """The files that its plugin was imported from."""
        self.notes: tuple[str, ...] = ()
        """Warnings about its import, one line each."""
        self.exit: WorkerExit | None = None
        self.expected_to_end = False
        self.pings = Pings()
        self._listener = listener
        self._loop = asyncio.get_running_loop()
        self.started = self._loop.time()
        self._replies: dict[str, asyncio.Future[dict[str, Any]]] = {
            kind: self._loop.create_future() for kind in ("models", "ready")
        }
        self._sock: socket.socket

    def _open(self, sock: socket.socket) -> None:
        """Read the link from now on."""
        self._sock = sock
        self._loop.add_reader(sock, self._on_readable)

    @property
    @abstractmethod
    def pid(self) -> int: ...

    @property
    @abstractmethod
    def running(self) -> bool: ...

    @abstractmethod
    def kill(self, reason: str = "") -> None:
        """End it at once; ``reason`` explains its end where nothing else does."""

    @abstractmethod
    def was_late(self, channel: int, model: str, reason: str) -> None: ...

    @abstractmethod
    def was_silent(self, model: str) -> None: ...

    @abstractmethod
    def end_soon(self) -> None: ...

    @abstractmethod
    async def stop(self, timeout: float) -> None: ...

    @abstractmethod
    async def wait(self) -> object: ...

    @abstractmethod
    async def ended(self) -> None: ...

    @property
    def info(self) -> WorkerInfo:
        """The worker as hooks see it."""
        model = self.model
        name, version = (model.name, model.version) if model else (None, None)
        return WorkerInfo(self.number, self.pid, self.reference.plugin, name, version)

    def refuse(self, reason: str) -> None:
        """End it because of ``reason``, which it is told if it is not the daemon's own."""
        self.kill()

    async def declared(self, timeout: float | None) -> list[ModelDeclaration]:
        """The models that the plugin holds; raises WorkerFailed with the reason in one line."""
        message = await self._await("models", timeout, "import", "--import-timeout")
        try:
            self.files = tuple(map(str, message.get("files", ())))
            self.notes = tuple(one_line(note) for note in message.get("notes", ())[:_MAX_NOTES])
            return [read_declaration(plain) for plain in message["models"]]
        except (AttributeError, KeyError, TypeError, ValueError, PytritonPluginsError) as error:
            problem = one_line(f"{type(error).__name__}: {error}", 200)
            reason = (
                f"its worker's description of its models cannot be read ({problem}); install the same pytriton-plugins "
                f"for {self._interpreter} as for the daemon"
            )
            self.refuse(reason)
            raise WorkerFailed(reason) from None

    @property
    def _interpreter(self) -> str:
        return f"process {self.pid}"

    async def serve(self, model: EffectiveModel, hooks: Sequence[Mapping[str, Any]]) -> None:
        """Let it import the hook plugins (worker/hooks.py), set up a model and warm it up; raises WorkerFailed."""
        self.model = model.declaration
        self._send({"type": "serve", **model.order(), "hooks": hooks, "worker": self.index})
        await self._await("ready", model.load_timeout, "set-up", "--load-timeout")

    def ping(self) -> None:
        """Send a ping, if none is open."""
        if self.pings.open():
            self._send({"type": "ping"})

    def give_channel(self, number: int, sock: socket.socket, response: Grant) -> None:
        """Hand over its end of the channel ``number`` and the first response segment."""
        message = {"type": "channel", "channel": number, "segment": response.number}
        self._send(message, sock.fileno(), response.descriptor)

    def answer_need(self, token: int, grant: Grant | str) -> None:
        """Answer a request for memory with a segment, or with the reason why there is none."""
        if isinstance(grant, str):
            self._send({"type": "refused", "token": token, "message": grant})
        else:
            self._send({"type": "segment", "token": token, "segment": grant.number}, grant.descriptor)

    def finish(self) -> None:
        """Let it end by itself once its channels have ended; nothing replaces it."""
        self.expected_to_end = True
        self._send({"type": "finish"})

    def dismiss(self) -> None:
        """End it at once; nothing replaces it."""
        self.expected_to_end = True
        self.kill()

    async def _await(self, kind: str, timeout: float | None, stage: str, option: str) -> dict[str, Any]:
        try:
            return await within(asyncio.shield(self._replies[kind]), timeout)
        except TimeoutError:
            reason = f"its {stage} took longer than {timeout:g} s; raise {option} if it needs more"
            self.refuse(reason)
            raise WorkerFailed(reason) from None

    def _send(self, message: dict[str, Any], *descriptors: int) -> None:
        try:
            send_json(self._sock, message, descriptors, deadline=self._send_timeout)
        except TimeoutError:
            self._on_full()
        except OSError:
            pass  # it is gone, and its end is handled

    @abstractmethod
    def _on_full(self) -> None:
        """A message was lost because it reads none."""

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
        except (ValueError, LookupError, TypeError, ArithmeticError, RecursionError, PytritonPluginsError) as error:
            plugin = self.reference.plugin
            _LOG.error("%s: the link of worker %d broke: %s", plugin, self.pid, error, extra=about(**self.log_fields()))
            self._fail(f"its link broke: {error}")
            self.refuse(f"its link broke: {error}")
        self._close_reader()
        self._on_link_end()
        return False

    def _close_reader(self) -> None:
        """Read no more; may be called again."""
        if self._sock.fileno() >= 0:
            self._loop.remove_reader(self._sock)

    @abstractmethod
    def _on_link_end(self) -> None:
        """Nothing more will be read."""

    def _dispatch(self, message: dict[str, Any]) -> None:
        kind = message["type"]
        if kind == "need":
            if self.running:
                self._listener.on_worker_need(self, message)
        elif kind == "pong":
            self.pings.answer()
        elif kind == "metrics":
            self._listener.on_worker_metrics(self, message)
        elif kind == "failed":
            reason = without_name(self.reference, text_of(message, "message"))
            self._fail(one_line(f"{text_of(message, 'stage')}: {reason}", _MAX_REASON))
        elif kind in self._replies and not self._replies[kind].done():
            self._replies[kind].set_result(message)

    def _fail(self, reason: str) -> None:
        for reply in self._replies.values():
            if not reply.done():
                reply.set_exception(WorkerFailed(reason))
                reply.exception()  # it may have no waiter

    def log_fields(self) -> dict[str, Any]:
        """The fields of its lines in the log."""
        model = self.model.name if self.model else None
        return {"plugin": self.reference.plugin, "model": model, "worker": self.pid}


def text_of(message: dict[str, Any], key: str) -> str:
    """A value of a message that must be a text; raises ProtocolError."""
    value = message.get(key)
    if not isinstance(value, str):
        raise ProtocolError(f"its message {one_line(message['type'], 20)} has no {key} that is a text")
    return value


def number_of(message: dict[str, Any], key: str) -> int:
    """A value of a message that must be a whole number of 0 to 2**62; raises ProtocolError."""
    value = message.get(key)
    if type(value) is not int or not 0 <= value < 1 << 62:
        raise ProtocolError(f"its message {one_line(message['type'], 20)} has no {key} that is a number")
    return value
