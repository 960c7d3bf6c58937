"""Supervises one model: the places of its workers, their channels and memory."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from pytriton_plugins.discovery.references import ModelReference
from pytriton_plugins.errors import PytritonPluginsError, ServerGone
from pytriton_plugins.host.memory.allocator import Answer, SegmentAllocator, SegmentRequest
from pytriton_plugins.host.memory.ledger import in_mib, ledger_of
from pytriton_plugins.host.supervision.backend_model import BackendModel
from pytriton_plugins.host.supervision.channels import WorkerChannels
from pytriton_plugins.host.supervision.place import WorkerPlace
from pytriton_plugins.host.triton.repository import MODEL_NUMBERS
from pytriton_plugins.host.workers.worker import Worker, WorkerFailed
from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.values import ModelStatus

if TYPE_CHECKING:
    from pytriton_plugins.host.supervision.context import ModelContext
    from pytriton_plugins.host.triton.server import TritonServer

_LOG = logging.getLogger("pytriton.host")
UNLOADED = "it was unloaded"
"""The reason that requests and the status get."""

_LOADS = "it is being loaded"
_WAITS = "it waits for its turn to start"
_NO_WORKER = "it has no live worker"
PASSING = (_LOADS, _WAITS, _NO_WORKER)
"""The beginnings of reasons for not ready that pass by themselves."""

_RETRY_DELAY = 1.0
"""Seconds until a slot that could get no channel is tried again."""

READY_GRACE = 0.5
"""A model without a live worker for this many seconds is not ready."""


class SwapResult(NamedTuple):
    """How many of a model's live workers have successors."""

    done: int
    live: int


class ModelSupervisor:
    """Keeps the workers of one model alive and connected. The end of one costs only the requests that it runs."""

    is_attached = False
    """Its workers are in processes that are not the daemon's."""

    def __init__(self, host: ModelContext, reference: ModelReference, declaration: ModelDeclaration) -> None:
        """Raises HookError while the host starts, from a hook plugin that is asked for the model's policy."""
        self.number = next(MODEL_NUMBERS)
        self.reference = reference
        self.declaration = declaration
        self.effective = host.resolver.resolve(declaration)
        self.worker_count = self.effective.workers
        self.required = self.effective.required
        self.loaded = False
        """The tritonserver that runs now has it."""
        self.held = False
        """Triton has it only once it has the models that it calls."""
        self.unserved = ""
        """The problem of a model that it calls, if only an operator can settle it."""
        self.refusal = ""
        """Why Triton has refused the return of a caller, which is tried again."""
        self.error = ""
        self.unloaded = False
        """It was given up on purpose, and does not count against readiness."""
        self.last_failure = ""
        """Why the last worker that failed did not serve it."""
        self.gone = asyncio.Event()
        """Triton has released it."""
        self.restarts = 0
        self.ledger = ledger_of(self.effective, host.budget)
        self._link = BackendModel(self.number, self.effective, self.ledger)
        self.live = WorkerChannels(declaration.slots, self.ledger, self._link, host)
        self._host = host
        self._loop = asyncio.get_running_loop()
        self._places: list[asyncio.Task[None]] = []
        self._allocator = SegmentAllocator(declaration, self.ledger, host.hooks, self.live, self.effective.fixed)
        self._settled = asyncio.Event()
        self._has_served = False
        self.is_over = False
        """Its workers get no more batches."""
        self._loading = asyncio.Lock()

    @property
    def name(self) -> str:
        return self.declaration.name

    def start(self, first: Worker | None) -> None:
        """Start the workers; ``first`` is one that has imported the plugin."""
        workers: list[Worker | None] = [first, *[None] * (self.worker_count - 1)]
        self._places = [self._keep_alive(worker, index) for index, worker in enumerate(workers)]

    def _keep_alive(
        self, worker: Worker | None, index: int, trial: asyncio.Future[Worker] | None = None
    ) -> asyncio.Task[None]:
        place = WorkerPlace(self, self.live, self._host, index, trial)
        return self._loop.create_task(place.keep_alive(worker))

    def status(self) -> ModelStatus:
        reason = self._why_not_ready()
        return ModelStatus(self.name, self.declaration.version, not reason, len(self.live), reason, self.ledger.use)

    def _why_not_ready(self) -> str:
        if self.error:
            return self.error
        if problem := self._host.served.call_problem(self.declaration):
            return problem
        if not self.is_served:
            return self.refusal or (_WAITS if self.waits else _LOADS)
        if self.live.seconds_without > READY_GRACE:
            return _NO_WORKER + (", and the next one waits for its turn to start" if self.waits else "")
        return ""

    @property
    def is_served(self) -> bool:
        """Whether Triton has it, and goes on having it."""
        return self.loaded and not self.held and not self.error

    @property
    def is_coming(self) -> bool:
        """Whether it is not served, and will be, or fail, by itself."""
        return not (self.is_served or self.error or self.unserved or self.refusal)

    @property
    def waits(self) -> bool:
        """Whether a worker of it waits for its turn."""
        return self._host.turns.awaits(self)

    async def swap(self, reference: ModelReference, first: Worker | None) -> SwapResult:
        """Replace the live workers by fresh ones, ``first`` among them, until one of these fails.

        ``reference``: the plugin as it is installed by now.

        An old worker gets no more batches once its successor is connected. Without a live worker ``first`` is
        dismissed: the next one imports the change anyway.
        """
        before, self.reference = self.reference, reference
        live = [worker for worker in self.live.workers if not worker.expected_to_end]
        if not live and first is not None:
            first.dismiss()
        for done, worker in enumerate(live):
            trial: asyncio.Future[Worker] = self._loop.create_future()
            place = self._keep_alive(first, worker.index, trial)
            first = None
            either: set[asyncio.Future[Any]] = {trial, place}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not trial.done():
                if not done:
                    self.reference = before
                return SwapResult(done, len(live))
            self._places.append(place)
            # One that has ended meanwhile has a successor of its own, which has imported the change as well.
            self.live.retire(worker if worker in self.live.workers else trial.result(), self.effective.drain_timeout)
        return SwapResult(len(live), len(live))

    def retire(self) -> None:
        """Have every worker finish its batches, and start no other."""
        self.is_over = True
        for worker in self.live.workers:
            self.live.retire(worker)

    def server_ended(self) -> None:
        """The next server gets the model's declaration, and loads it."""
        self.loaded = False
        self.gone.set()

    def take_out(self, reason: str = UNLOADED) -> None:
        """Stop serving: requests that wait fail, those that run may finish, and no other worker is started."""
        self.error, self.unloaded = reason, True
        self._link.give_up(reason)
        self.retire()
        self._settled.set()
        self._host.changed()

    def set_ready(self, why_not: str) -> None:
        """Have servers that ask their models told that it is not ready; empty: that it is."""
        self._link.set_ready(why_not)

    def settle_unserved(self, problem: str) -> None:
        """Nothing waits for it any longer: a model that it calls is not served until an operator changes that."""
        self.unserved = problem
        self._settled.set()
        self._host.changed()

    async def settled(self) -> None:
        """Return when the model serves, has failed, or calls one that does not come by itself."""
        await self._settled.wait()

    def on_need(self, request: SegmentRequest, answer: Answer) -> None:
        """Give ``answer`` a larger segment for a channel's worker, or why there is none, at once or later."""
        self._allocator.allocate(request, answer)

    def lose(self, channel: int, *, late: bool) -> None:
        """The backend has given up the worker behind a channel, which may be another model's."""
        worker = self.live.worker_of(channel)
        if worker is None:
            return
        if late:
            reason = f"its callable did not return within the timeout of {self.declaration.timeout:g} s"
            worker.was_late(channel, self.name, reason)
        else:
            worker.end_soon()
        if worker.is_attached:
            self.live.drop(channel)
            self._connect_again(worker)

    def slot_free(self, worker: Worker, channel: int) -> None:
        """A call that was late has returned, or a slot has closed its channel: it gets a channel again."""
        self.live.free(worker, channel)
        self._connect_again(worker)

    def _connect_again(self, worker: Worker, *, is_retry: bool = False) -> None:
        if self.is_over or worker.expected_to_end:
            return
        try:
            self.live.connect_again(worker)
        except ServerGone:
            pass  # the next server gets all channels anew
        except (PytritonPluginsError, OSError) as error:  # a moment without memory or descriptors
            if not is_retry:
                _LOG.error("model %s: process %d gets no channel yet: %s", self.name, worker.pid, error)
            self._loop.call_later(_RETRY_DELAY, partial(self._connect_again, worker, is_retry=True))

    def cancel(self) -> None:
        """Start no more workers."""
        self._allocator.cancel()
        for place in self._places:
            place.cancel()

    def worker_failed(self, reason: str) -> None:
        """A model that has served gets another worker; one that never did is given up."""
        self.last_failure = reason
        if self._has_served:
            _LOG.error("model %s: %s", self.name, reason)
        else:
            self.give_up(reason)

    def compare(self, declared: list[ModelDeclaration]) -> None:
        """Raises WorkerFailed if its declaration is not among those of a worker."""
        if self.declaration not in [self._host.resolver.configured(each) for each in declared]:
            raise WorkerFailed("its plugin declares it differently now than when it was loaded; restart pytriton-host")

    async def join(self, worker: Worker, server: TritonServer) -> bool:
        """Have the worker serve through this tritonserver; False when that ends meanwhile."""
        try:
            await self._link.declare(server)
            self.live.connect(worker)
            await self._loaded(server)
        except ServerGone:
            if not await server.ends_soon():
                raise
            return False
        return True

    async def load(self) -> None:
        """Load it into Triton, because all that it calls is served; raises ServerError."""
        await self._loaded(await self._host.server())

    async def _loaded(self, server: TritonServer) -> None:
        async with self._loading:
            if self.loaded:
                return
            self.held = bool(self._host.served.callee_problem(self.declaration))
            if self.held:
                return
            await self._host.load(self, server)
            self.gone.clear()
            self.loaded = self._has_served = True
            self.unserved = ""
            self._settled.set()
        workers = f"{self.worker_count} worker{'s' if self.worker_count > 1 else ''}"
        memory = f"shared memory {in_mib(self.ledger.at_start)} for {workers}"
        _LOG.info("model %s version %d: serving; %s", self.name, self.declaration.version, memory)
        self._host.changed()

    def mark_replaced(self, label: str) -> None:
        """The plugin ``label`` is about to serve in its place; "" if that has failed."""

    def give_up(self, reason: str) -> None:
        """Stop serving for ``reason``."""
        _LOG.error("model %s: %s", self.name, reason)
        self.error = reason
        self._settled.set()
        self._link.give_up(reason)
        self._cancel_others()
        self._host.changed()

    def _cancel_others(self) -> None:
        for place in self._places:
            if place is not asyncio.current_task():
                place.cancel()
