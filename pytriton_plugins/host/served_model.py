"""One model while it is served: its workers, channels and memory; runs in the host's event loop."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import socket
from typing import Protocol

from pytriton_plugins.config import HostConfig
from pytriton_plugins.discovery.entry_points import ModelReference
from pytriton_plugins.errors import PytritonPluginsError, ServerError, ShmError
from pytriton_plugins.host.memory import Grant, Ledger, in_mib
from pytriton_plugins.host.processes import describe_exit
from pytriton_plugins.host.triton import TritonServer
from pytriton_plugins.host.worker import Worker, WorkerFailed
from pytriton_plugins.models import ModelDeclaration
from pytriton_plugins.shm.sockets import socket_pair
from pytriton_plugins.shm.wire import MAX_ERROR_TEXT, LinkKind, LinkMessage, pack_declaration
from pytriton_plugins.values import ModelStatus, ShmPolicy

_LOG = logging.getLogger("pytriton.host")
WAIT_FOR_WORKER = 30.0
"""Seconds that a batch waits for a worker before it fails with UNAVAILABLE."""

RESTART_AFTER = 0.5
"""A worker is started again when this many seconds have passed since its last start."""

NOT_READY_AFTER = 0.5
"""A model without a live worker for this many seconds is not ready."""


class Surroundings(Protocol):
    """What a model needs of its host."""

    config: HostConfig

    async def server(self) -> TritonServer: ...
    def new_worker(self, reference: ModelReference) -> Worker: ...
    def untouched_memory(self) -> int: ...
    async def load(self, model: ServedModel) -> None: ...
    def changed(self) -> None: ...


class ServedModel:
    """Keeps ``workers`` workers of one model alive and connected. A dead one costs what was in flight with it only."""

    _numbers = itertools.count(1)
    _channels = itertools.count(1)

    def __init__(
        self, host: Surroundings, reference: ModelReference, declaration: ModelDeclaration, policy: ShmPolicy
    ) -> None:
        self.number = next(self._numbers)
        self.reference = reference
        self.declaration = declaration
        self.worker_count = host.config.workers or declaration.workers
        self.required = declaration.name not in host.config.optional
        self.loaded = False
        self.error = ""
        self.live: dict[int, Worker] = {}
        """Connected workers by the number of their channel."""
        self.ledger = Ledger(declaration.name, policy, segments=2 * self.worker_count)
        self._host = host
        self._loop = asyncio.get_running_loop()
        self._last_live = self._loop.time()
        self._slots: list[asyncio.Task[None]] = []
        self._settled = asyncio.Event()
        self._declared = asyncio.Lock()
        self._server: TritonServer | None = None

    @property
    def name(self) -> str:
        return self.declaration.name

    def start(self, first: Worker | None) -> None:
        """Have as many workers as are wanted serve the model, ``first`` among them if it has imported the plugin."""
        workers: list[Worker | None] = [first, *[None] * (self.worker_count - 1)]
        self._slots = [self._loop.create_task(self._keep_alive(worker)) for worker in workers]

    def status(self) -> ModelStatus:
        return ModelStatus(
            self.name, self.declaration.version, not self._why_not_ready(), len(self.live), self._why_not_ready()
        )

    def _why_not_ready(self) -> str:
        if self.error:
            return self.error
        if not self.loaded:
            return "it is being loaded"
        if not self.live and self._loop.time() - self._last_live > NOT_READY_AFTER:
            return "it has no live worker"
        return ""

    async def settled(self) -> None:
        """Return when the model serves or has failed."""
        await self._settled.wait()

    def on_need(self, channel: int, replaced: int, needed: int) -> Grant | str:
        """A larger segment for a channel's worker, or why there is none."""
        if channel not in self.live:
            return "the worker is gone"
        try:
            return self.ledger.replace(replaced, needed, channel, self._host.untouched_memory())
        except (ShmError, OSError) as error:
            _LOG.warning("model %s: %s", self.name, error)
            return str(error)

    def channel_of(self, worker: Worker) -> int:
        return next((channel for channel, live in self.live.items() if live is worker), 0)

    def cancel(self) -> None:
        """Start no worker any more."""
        for slot in self._slots:
            slot.cancel()

    async def _keep_alive(self, worker: Worker | None) -> None:
        try:
            while not self.error:
                started, fresh, worker = worker or self._new_worker(), worker is None, None
                if started is not None:
                    await self._serve_with(started, fresh=fresh)
                since = started.started if started else self._loop.time()
                await asyncio.sleep(max(0.0, since + RESTART_AFTER - self._loop.time()))
        except Exception:
            _LOG.exception("model %s: the host failed while it kept the model alive", self.name)
            self._give_up("the host failed; its log says how")

    def _new_worker(self) -> Worker | None:
        try:
            return self._host.new_worker(self.reference)
        except OSError as error:  # a moment without memory, processes or descriptors
            self._failed(f"no worker can be started: {error.strerror}")
            return None

    def _failed(self, reason: str) -> None:
        """A loaded model gets another worker; one that never served is given up."""
        if self.loaded:
            _LOG.error("model %s: %s", self.name, reason)
        else:
            self._give_up(reason)

    async def _serve_with(self, worker: Worker, *, fresh: bool) -> None:
        """One worker's life."""
        channel = next(self._channels)
        try:
            if fresh:
                self._compare(await worker.declared(self._host.config.import_timeout))
            await worker.serve(self.declaration, self._host.config.load_timeout)
            await self._connect(worker, channel)
            await self._loaded()
            status = await worker.child.wait()
            _LOG.warning(
                "model %s: its worker %d ended with %s; starting another", self.name, worker.pid, describe_exit(status)
            )
        except (PytritonPluginsError, OSError) as error:
            worker.kill()
            self._failed(str(error))
        finally:
            if self.error:
                worker.kill()
            await self._disconnect(channel)

    def _compare(self, declarations: list[ModelDeclaration]) -> None:
        if self.declaration not in declarations:
            raise WorkerFailed("its plugin declares it differently now than when it was loaded; restart pytriton-host")

    async def _connect(self, worker: Worker, channel: int) -> None:
        server = await self._host.server()
        await self._declare(server)
        request = self.ledger.open_first(channel)
        response = self.ledger.open_first(channel)
        ours, theirs = socket_pair()
        with ours, theirs:
            worker.give_channel(theirs, response)
            self.live[channel] = worker
            self._introduce(server, channel, ours, request)
        self._host.changed()

    async def _declare(self, server: TritonServer) -> None:
        async with self._declared:
            if self._server is None:
                largest = self.ledger.policy.max
                await server.declare(
                    self.number, pack_declaration(self.declaration, wait=WAIT_FOR_WORKER, largest_response=largest)
                )
                self._server = server

    def _introduce(self, server: TritonServer, channel: int, sock: socket.socket, request: Grant) -> None:
        message = LinkMessage(LinkKind.CHANNEL, model=self.number, channel=channel, segment=request.number)
        server.link.send(message, sock.fileno(), request.descriptor)

    async def _loaded(self) -> None:
        async with self._declared:
            if self.loaded:
                return
            await self._host.load(self)
            self.loaded = True
            self._settled.set()
        workers = f"{self.worker_count} worker{'s' if self.worker_count > 1 else ''}"
        memory = in_mib(self.ledger.at_start)
        _LOG.info(
            "model %s version %d: serving; shared memory %s for %s",
            self.name,
            self.declaration.version,
            memory,
            workers,
        )
        self._host.changed()

    async def _disconnect(self, channel: int) -> None:
        self.ledger.release(channel)
        if self.live.pop(channel, None) is None:
            return
        if not self.live:
            self._last_live = self._loop.time()
        self._host.changed()
        with contextlib.suppress(ServerError):  # the server is gone too
            (await self._host.server()).link.send(LinkMessage(LinkKind.CHANNEL_GONE, channel=channel))

    def _give_up(self, reason: str) -> None:
        _LOG.error("model %s: %s", self.name, reason)
        self.error = reason
        self._settled.set()
        self._tell_backend(reason)
        self._cancel_others()
        self._host.changed()

    def _tell_backend(self, reason: str) -> None:
        """Requests that wait for a worker, and those still to come, fail at once."""
        if self._server is None:
            return
        message = LinkMessage(LinkKind.GIVE_UP, model=self.number, value=1, payload=reason.encode()[:MAX_ERROR_TEXT])
        with contextlib.suppress(ServerError):  # the server is gone, and its requests with it
            self._server.link.send(message)

    def _cancel_others(self) -> None:
        for slot in self._slots:
            if slot is not asyncio.current_task():
                slot.cancel()
