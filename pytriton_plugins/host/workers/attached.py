"""A worker in a process that is not the daemon's: it has attached itself, and it is never killed."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from typing import TYPE_CHECKING, Any

import attrs

from pytriton_plugins.discovery.references import ModelReference
from pytriton_plugins.host.log.setup import about
from pytriton_plugins.host.tasks import discard
from pytriton_plugins.host.timeouts import within
from pytriton_plugins.host.workers.link import LinkedWorker, number_of
from pytriton_plugins.host.workers.worker import WorkerFailed
from pytriton_plugins.shm.wire import VERSION
from pytriton_plugins.text import one_line
from pytriton_plugins.values import WorkerExit

if TYPE_CHECKING:
    from pytriton_plugins.host.workers.worker import WorkerListener
    from pytriton_plugins.model.declaration import ModelDeclaration

_LOG = logging.getLogger("pytriton.host")


@attrs.frozen
class AttachedReference(ModelReference):
    """The process that a model comes from, in the place of a plugin: ``value`` is its program, ``pid`` its id."""

    pid: int = 0

    @property
    def is_attached(self) -> bool:
        return True

    @property
    def label(self) -> str:
        return f"process {self.pid}" + (f" ({self.value})" if self.value else "")

    @property
    def names(self) -> frozenset[str]:
        """None: the configuration cannot name a process."""
        return frozenset()

    @property
    def place(self) -> str:
        return self.label


class AttachedWorker(LinkedWorker):
    """One callable of another process, behind a link of its own."""

    is_attached = True
    reference: AttachedReference
    _send_timeout = 0.0  # else one that reads nothing would stop the daemon

    def __init__(self, number: int, sock: socket.socket, pid: int, listener: WorkerListener) -> None:
        """``pid`` is the peer of ``sock`` as the kernel knows it."""
        super().__init__(number, AttachedReference("attached", "", pid=pid), listener)
        self._end: asyncio.Future[None] = self._loop.create_future()
        self.leaves, self._finished = asyncio.Event(), asyncio.Event()
        """`leaves`: it asks to be removed."""
        self._replies["hello"] = self._loop.create_future()
        self.has_greeted = False
        """It has said what it is."""
        self.was_stopped = False
        """The daemon has ended its session."""
        self._rejected = ""
        self.replaced_by = ""
        """What serves its model once it is stopped, for its program; empty if the daemon ends."""
        self.trouble = ""
        """Why it does not answer, or one of its slots; empty for none."""
        self._late: set[int] = set()
        """The channels of calls that are late and have not returned."""
        self._open(sock)

    @property
    def pid(self) -> int:
        return self.reference.pid

    @property
    def running(self) -> bool:
        return not self._end.done()

    @property
    def is_late(self) -> bool:
        """Whether a call has not returned within the model's timeout."""
        return bool(self._late)

    async def introduced(self, package: str, timeout: float) -> list[ModelDeclaration]:
        """The models that it declares after its ``hello``, both within ``timeout`` seconds; raises WorkerFailed."""
        try:
            return await within(self._introduced(package), timeout)
        except TimeoutError:
            missing = "declaration" if self.has_greeted else "greeting"
            raise WorkerFailed(f"it sent no {missing} within {timeout:g} s") from None

    async def _introduced(self, package: str) -> list[ModelDeclaration]:
        await self._greeted(package)
        return await self.declared(None)

    async def _greeted(self, package: str) -> None:
        """Wait for its ``hello``; raises WorkerFailed for a process with another version of this package."""
        hello = await asyncio.shield(self._replies["hello"])
        self.has_greeted = True
        program = one_line(str(hello.get("program") or ""), 80)
        self.reference = attrs.evolve(self.reference, value=program)
        theirs = hello.get("package"), hello.get("protocol")
        if theirs != (package, VERSION):
            raise WorkerFailed(
                f"it has pytriton-plugins {one_line(str(theirs[0]), 40)}, and the daemon has {package}; install the "
                "same version in both"
            )
        self._listener.on_worker_start(self)

    def confirm(self) -> None:
        """Tell it that its model is served."""
        self._send({"type": "serving"})

    def refuse(self, reason: str) -> None:
        """As `reject`."""
        self.reject(reason)

    def reject(self, reason: str) -> None:
        """Tell it why it is not served, or no longer, and end the link."""
        self._rejected = self._rejected or reason
        self._send({"type": "rejected", "message": reason})
        self.dismiss()

    async def left(self) -> None:
        """Return when it asks to be removed, has served all that it had after `finish`, or has ended."""
        await self._first(self.leaves, self._finished)

    async def finished(self, timeout: float) -> bool:
        """Whether it has served all that it had after `finish`, or has ended, within ``timeout`` seconds."""
        with contextlib.suppress(TimeoutError):
            await within(self._first(self._finished), timeout)
        return self._finished.is_set() or not self.running

    async def _first(self, *events: asyncio.Event) -> None:
        waits: list[asyncio.Future[Any]] = [self._loop.create_task(event.wait()) for event in events]
        try:
            await asyncio.wait([*waits, self._end], return_when=asyncio.FIRST_COMPLETED)
        finally:
            discard(*waits)

    def was_late(self, channel: int, model: str, reason: str) -> None:
        """A batch took longer than the model's timeout: report it; the call goes on."""
        self._late.add(channel)
        self.trouble = f"process {self.pid}: {reason}, and has not returned yet"
        _LOG.error(
            "model %s: %s; the call goes on in process %d, which gets no requests for it until it returns",
            model, reason, self.pid, extra=about(worker=self.pid),
        )  # fmt: skip

    def was_silent(self, model: str) -> None:
        """It is idle and has not answered its ping in time: report it, once."""
        if self.trouble:
            return
        self.trouble = f"process {self.pid} does not answer: it is stopped, or a call holds the GIL"
        _LOG.error(
            "model %s: process %d is idle and has not answered for %.0f s: it is stopped, or a call holds the GIL",
            model, self.pid, self.pings.silent_for, extra=about(worker=self.pid),
        )  # fmt: skip

    async def stop(self, timeout: float) -> None:
        """Tell it to end its session, and end the link after ``timeout`` seconds."""
        self.expected_to_end = self.was_stopped = True
        if self.replaced_by:
            self._send({"type": "rejected", "message": f"it was replaced by {self.replaced_by}"})
        self._send({"type": "stop"})
        try:
            await within(self.wait(), timeout)
        except TimeoutError:
            self.kill()

    def _on_full(self) -> None:
        self.kill(f"the end of its session: process {self.pid} does not read its messages")

    def kill(self, reason: str = "") -> None:
        """End the link; the process goes on."""
        if self.running:
            self._close_reader()
            self._on_link_end(reason)

    def end_soon(self) -> None:
        """Its channel has ended; a slot that can serve again says so."""

    async def wait(self) -> None:
        """Return when the link has ended."""
        await asyncio.shield(self._end)

    async def ended(self) -> None:
        await self.wait()

    def _dispatch(self, message: dict[str, Any]) -> None:
        kind = message["type"]
        if kind == "leave":
            self.expected_to_end = True
            self.leaves.set()
        elif kind == "finished":
            self._finished.set()
        elif kind == "free":
            channel = number_of(message, "channel")
            self._late.discard(channel)
            self._recovered()
            self._listener.on_slot_free(self, channel)
        else:
            super()._dispatch(message)
            if kind == "pong":
                self._recovered()

    def _recovered(self) -> None:
        if self.trouble and not self._late:
            self.trouble = ""
            _LOG.info("process %d answers again", self.pid, extra=about(**self.log_fields()))

    def _on_link_end(self, reason: str = "") -> None:
        if not self.running:
            return
        self._sock.close()
        now = self._loop.time()
        description = self._rejected or reason or f"the end of process {self.pid}, or of its session"
        self.exit = WorkerExit(0, description, now - self.started, self.expected_to_end, now)
        self._fail(f"its worker ended with {description}")
        self._end.set_result(None)
        self._listener.on_worker_end(self)
