"""Protocols of the callers of supervision: the registry as a supervisor sees it, the daemon as the registry does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import asyncio

    from pytriton_plugins.config.resolver import EffectiveModel, ModelResolver
    from pytriton_plugins.discovery.references import ModelReference
    from pytriton_plugins.hooks.manager import HookManager
    from pytriton_plugins.host.memory.ledger import Budget
    from pytriton_plugins.host.triton.server import TritonServer
    from pytriton_plugins.host.workers.start_queue import StartQueue
    from pytriton_plugins.host.workers.worker import Worker
    from pytriton_plugins.model.declaration import ModelDeclaration


class ServedModel(Protocol):
    """A model, as the loader sees it."""

    number: int
    reference: ModelReference
    declaration: ModelDeclaration
    effective: EffectiveModel
    loaded: bool
    gone: asyncio.Event

    @property
    def name(self) -> str: ...


class SupervisedModel(ServedModel, Protocol):
    """A model, as the places of its workers see it."""

    error: str
    is_over: bool
    """Its workers get no more batches."""
    restarts: int

    def compare(self, declared: list[ModelDeclaration]) -> None:
        """Raises WorkerFailed if its declaration is not among those of a worker."""

    async def join(self, worker: Worker, server: TritonServer) -> bool:
        """Have the worker serve through this tritonserver; False when that ends meanwhile."""

    def worker_failed(self, reason: str) -> None:
        """A worker did not serve."""

    def give_up(self, reason: str) -> None:
        """Stop serving for ``reason``."""


class ChangeListener(Protocol):
    """Learns that something may be ready that was not, or the other way round."""

    def changed(self) -> None: ...


class DaemonControl(ChangeListener, Protocol):
    """The daemon, as the registry sees it."""

    def stop(self, reason: str) -> None:
        """Stop in order, with ``reason`` and exit code 1."""

    def abort(self, error: BaseException) -> None:
        """End the start with ``error``."""


class CalleeLookup(Protocol):
    """The models that a declaration calls, as the supervisor of the caller sees them."""

    def callee_problem(self, declaration: ModelDeclaration) -> str:
        """Why a model that this one declares it calls is not loaded in Triton; empty if all are."""

    def call_problem(self, declaration: ModelDeclaration) -> str:
        """Why a call that this model declares would not be answered now; empty if all would."""


class ModelContext(DaemonControl, Protocol):
    """The registry, as the supervisor of a model sees it."""

    resolver: ModelResolver
    hooks: HookManager
    budget: Budget
    turns: StartQueue

    @property
    def served(self) -> CalleeLookup: ...
    async def server(self) -> TritonServer: ...
    def new_worker(self, reference: ModelReference, model: ModelDeclaration | None = None) -> Worker: ...
    def worker_hooks(self) -> list[dict[str, Any]]: ...
    def worker_is_ready(self, worker: Worker) -> None: ...
    async def load(self, model: ServedModel, server: TritonServer) -> None: ...
