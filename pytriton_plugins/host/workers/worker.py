"""What supervision needs of a worker: a process of the daemon (`process.py`) or one that attached itself."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from pytriton_plugins.errors import PytritonPluginsError

if TYPE_CHECKING:
    from pytriton_plugins.config.resolver import EffectiveModel
    from pytriton_plugins.discovery.references import ModelReference
    from pytriton_plugins.host.memory.ledger import Grant
    from pytriton_plugins.host.workers.pings import Pings
    from pytriton_plugins.model.declaration import ModelDeclaration
    from pytriton_plugins.values import WorkerExit, WorkerInfo


class WorkerFailed(PytritonPluginsError):
    """The worker could not import its plugin or set up its model, or ended meanwhile."""


class Worker(Protocol):
    """One worker. `declared` and `serve` are its handshake; after that it reports to its listener."""

    number: int
    index: int
    """Its place among the workers of its model."""
    model: ModelDeclaration | None
    exit: WorkerExit | None
    """How it ended, once it has."""
    expected_to_end: bool
    """Nothing replaces it when it ends."""
    is_attached: bool
    """Its process is not the daemon's: it is never killed."""
    pings: Pings

    @property
    def reference(self) -> ModelReference: ...
    @property
    def pid(self) -> int: ...
    @property
    def running(self) -> bool: ...
    @property
    def info(self) -> WorkerInfo:
        """The worker as hooks see it."""

    async def declared(self, timeout: float) -> list[ModelDeclaration]:
        """The models that it has; raises WorkerFailed with the reason in one line."""

    async def serve(self, model: EffectiveModel, hooks: Sequence[Mapping[str, Any]]) -> None:
        """Let it set up a model and warm it up; raises WorkerFailed."""

    def ping(self) -> None:
        """Send a ping, if none is open."""

    def give_channel(self, number: int, sock: socket.socket, response: Grant) -> None:
        """Hand over its end of the channel ``number`` and the first response segment."""

    def answer_need(self, token: int, grant: Grant | str) -> None:
        """Answer a request for memory with a segment, or with the reason why there is none."""

    def was_late(self, channel: int, model: str, reason: str) -> None:
        """A batch took longer than the model's timeout; the backend has closed its ``channel``."""

    def was_silent(self, model: str) -> None:
        """It is idle and has not answered its ping in time."""

    def end_soon(self) -> None:
        """Its channel has ended without a reason that is known."""

    async def stop(self, timeout: float) -> None:
        """Let it close its model, and end it after ``timeout`` seconds."""

    def finish(self) -> None:
        """Let it end by itself once its channels have ended; nothing replaces it."""

    def dismiss(self) -> None:
        """End it at once; nothing replaces it."""

    def kill(self, reason: str = "") -> None:
        """End it at once; ``reason`` explains its end where nothing else does."""

    async def wait(self) -> object:
        """Return when it has ended."""

    async def ended(self) -> None:
        """Return when it has ended and `exit` says how."""


class WorkerListener(Protocol):
    """Learns what workers report."""

    def on_worker_start(self, worker: Worker) -> None:
        """An attached worker has said what it is."""

    def on_worker_need(self, worker: Worker, message: dict[str, Any]) -> None:
        """The worker needs a larger response segment."""

    def on_worker_metrics(self, worker: Worker, message: dict[str, Any]) -> None:
        """The metrics of its callable have changed."""

    def on_slot_free(self, worker: Worker, channel: int) -> None:
        """The slot of an attached worker that served ``channel`` can serve again."""

    def on_worker_end(self, worker: Worker) -> None:
        """It has ended; `Worker.exit` says how."""


class NoListener:
    """For a worker that imports its plugin and serves nothing."""

    def on_worker_start(self, worker: Worker) -> None: ...

    def on_worker_need(self, worker: Worker, message: dict[str, Any]) -> None: ...

    def on_worker_metrics(self, worker: Worker, message: dict[str, Any]) -> None: ...

    def on_slot_free(self, worker: Worker, channel: int) -> None: ...

    def on_worker_end(self, worker: Worker) -> None: ...
