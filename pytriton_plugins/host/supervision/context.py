"""What one served model needs of its host, which is more than one class; in the host's event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from pytriton_plugins.config.resolver import ModelResolver
from pytriton_plugins.discovery.references import ModelReference
from pytriton_plugins.hooks.manager import HookManager
from pytriton_plugins.host.memory.ledger import Budget
from pytriton_plugins.host.triton.server import TritonServer
from pytriton_plugins.host.workers.process import WorkerProcess
from pytriton_plugins.host.workers.start_queue import StartQueue
from pytriton_plugins.model.declaration import ModelDeclaration

if TYPE_CHECKING:
    from pytriton_plugins.host.supervision.supervisor import ServedModel


class Surroundings(Protocol):
    """What a model needs of its host."""

    resolver: ModelResolver
    hooks: HookManager
    budget: Budget
    turns: StartQueue

    async def server(self) -> TritonServer: ...
    def new_worker(self, reference: ModelReference, model: ModelDeclaration | None = None) -> WorkerProcess: ...
    def worker_hooks(self) -> list[dict[str, Any]]: ...
    def worker_is_ready(self, worker: WorkerProcess) -> None: ...
    def stop(self, reason: str) -> None: ...
    def abort(self, error: BaseException) -> None: ...
    async def load(self, model: ServedModel, server: TritonServer) -> None: ...
    def changed(self) -> None: ...
