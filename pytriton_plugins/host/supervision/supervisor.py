"""Supervises one model: its workers, channels and memory."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

from pytriton_plugins.discovery.references import ModelReference
from pytriton_plugins.errors import HookError, PytritonPluginsError, ServerGone
from pytriton_plugins.hooks.builtin import RESTARTS
from pytriton_plugins.hooks.manager import BUILT_IN
from pytriton_plugins.host.memory.allocator import Answer, SegmentAllocator, SegmentRequest
from pytriton_plugins.host.memory.ledger import in_mib, ledger_of
from pytriton_plugins.host.supervision.backend_model import BackendModel
from pytriton_plugins.host.supervision.channels import WorkerChannels
from pytriton_plugins.host.system.child import first_end
from pytriton_plugins.host.workers.process import WorkerFailed, WorkerProcess
from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.values import GiveUp, ModelStatus, Restart, WorkerExit

if TYPE_CHECKING:
    from pytriton_plugins.host.supervision.context import ModelContext
    from pytriton_plugins.host.triton.server import TritonServer

_LOG = logging.getLogger("pytriton.host")
RESPAWN_DELAY = 0.5
"""Seconds until another worker is started if one could not be."""

MAX_HISTORY = 16
"""Ends of workers that are kept for each place."""

UNLOADED = "it was unloaded"
"""The reason that requests and the status get."""

READY_GRACE = 0.5
"""A model without a live worker for this many seconds is not ready."""


class SwapResult(NamedTuple):
    """How many of a model's live workers have successors."""

    done: int
    live: int


class ModelSupervisor:
    """Keeps the workers of one model alive and connected. The end of one costs only the requests that it runs."""

    _numbers = itertools.count(1)

    def __init__(self, host: ModelContext, reference: ModelReference, declaration: ModelDeclaration) -> None:
        """Raises HookError while the host starts, from a hook plugin that is asked for the model's policy."""
        self.number = next(self._numbers)
        self.reference = reference
        self.declaration = declaration
        self.effective = host.resolver.resolve(declaration)
        self.worker_count = self.effective.workers
        self.required = self.effective.required
        self.loaded = False
        """The tritonserver that runs now has it."""
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
        self._is_over = False
        """Its workers get no more batches."""
        self._loading = asyncio.Lock()

    @property
    def name(self) -> str:
        return self.declaration.name

    def start(self, first: WorkerProcess | None) -> None:
        """Start the workers; ``first`` is one that has imported the plugin."""
        workers: list[WorkerProcess | None] = [first, *[None] * (self.worker_count - 1)]
        self._places = [self._loop.create_task(self._keep_alive(worker)) for worker in workers]

    def status(self) -> ModelStatus:
        reason = self._why_not_ready()
        return ModelStatus(self.name, self.declaration.version, not reason, len(self.live), reason, self.ledger.use)

    def _why_not_ready(self) -> str:
        if self.error:
            return self.error
        if not self.loaded:
            return "it waits for its turn to start" if self.waits else "it is being loaded"
        if self.live.seconds_without > READY_GRACE:
            return "it has no live worker" + (", and the next one waits for its turn to start" if self.waits else "")
        return ""

    @property
    def waits(self) -> bool:
        """Whether a worker of it waits for its turn."""
        return self._host.turns.awaits(self)

    async def swap(self, reference: ModelReference, first: WorkerProcess | None) -> SwapResult:
        """Replace the live workers by fresh ones, ``first`` among them, until one of these fails.

        ``reference``: the plugin as it is installed by now.

        An old worker gets no more batches once its successor is connected. Without a live worker ``first`` is
        dismissed: the next one imports the change anyway.
        """
        before, self.reference = self.reference, reference
        live = self.live.workers
        if not live and first is not None:
            first.dismiss()
        for done, worker in enumerate(live):
            trial: asyncio.Future[WorkerProcess] = self._loop.create_future()
            place = self._loop.create_task(self._keep_alive(first, trial))
            first = None
            either: set[asyncio.Future[Any]] = {trial, place}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not trial.done():
                if not done:
                    self.reference = before
                return SwapResult(done, len(live))
            self._places.append(place)
            # One that has ended meanwhile has a successor of its own, which has imported the change as well.
            self.live.retire(worker if worker in self.live.workers else trial.result())
        return SwapResult(len(live), len(live))

    def retire(self) -> None:
        """Have every worker finish its batches, and start no other."""
        self._is_over = True
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

    async def settled(self) -> None:
        """Return when the model serves or has failed."""
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
            message = f"{reason}; worker {worker.pid} is killed"
            _LOG.error("model %s: %s", self.name, message, extra={"worker": worker.pid})
            worker.kill(reason)
        else:
            worker.end_soon()

    def cancel(self) -> None:
        """Start no more workers."""
        self._allocator.cancel()
        for place in self._places:
            place.cancel()

    async def _keep_alive(
        self, worker: WorkerProcess | None, trial: asyncio.Future[WorkerProcess] | None = None
    ) -> None:
        """Keep one worker running. With ``trial``, a first worker that never serves ends only this place."""
        history: deque[WorkerExit] = deque(maxlen=MAX_HISTORY)
        try:
            while not self.error and not self._is_over:
                started, served = await self._serve_with(worker, trial)
                worker = None
                if (started and started.expected_to_end) or _is_open(trial):
                    return  # another worker has this place
                if self.error or self._is_over:
                    return
                if started is None:
                    await asyncio.sleep(RESPAWN_DELAY)
                else:
                    await self._after(started, history, served=served)
        except HookError as error:
            self._host.abort(error)
        except Exception:
            _LOG.exception("model %s: internal error in its supervisor", self.name)
            self.give_up("internal error; see the daemon's log")

    async def _after(self, worker: WorkerProcess, history: deque[WorkerExit], *, served: bool) -> None:
        """Do what hooks choose after the end of a worker: start another, give the model up, or stop the host."""
        await worker.ended()
        assert worker.exit is not None
        chosen = self._host.hooks.choose_restart(worker.info, worker.exit, history)
        history.append(worker.exit)
        action = chosen.value
        if isinstance(action, Restart):
            self.restarts += 1
            if served:  # the reason why it did not serve was logged
                ended = f"its worker {worker.pid} ended with {worker.exit.description}"
                _LOG.warning("model %s: %s; starting another", self.name, ended, extra={"worker": worker.pid})
            await asyncio.sleep(action.after)
        elif isinstance(action, GiveUp) and chosen.plugin == BUILT_IN and self.live:
            # A request that ends each worker that runs it must not cost the model its healthy workers.
            remedy = f"the other workers serve on, and another is started in {RESTARTS.longest:g} s"
            _LOG.error("model %s: %s; %s", self.name, action.reason, remedy)
            self.restarts += 1
            await asyncio.sleep(RESTARTS.longest)
        elif isinstance(action, GiveUp):
            self.give_up(action.reason)
        else:
            self._host.stop(f"model {self.name}: {action.reason} ({chosen.plugin})")
            await asyncio.Event().wait()

    def _new_worker(self) -> WorkerProcess | None:
        if self.error or self._is_over:  # while it waited for its turn
            return None
        try:
            return self._host.new_worker(self.reference, self.declaration)
        except OSError as error:  # a moment without memory, processes or descriptors
            self._failed(f"no worker can be started: {error.strerror}")
            return None

    def _failed(self, reason: str) -> None:
        """A model that has served gets another worker; one that never did is given up."""
        self.last_failure = reason
        if self._has_served:
            _LOG.error("model %s: %s", self.name, reason)
        else:
            self.give_up(reason)

    async def _serve_with(
        self, worker: WorkerProcess | None, trial: asyncio.Future[WorkerProcess] | None
    ) -> tuple[WorkerProcess | None, bool]:
        """Run ``worker``, which has imported the plugin, or a new one until it ends.

        Returns it, None if it could not be started, and whether it has served. ``trial`` gets the first that serves.
        """
        served, fresh = False, worker is None
        try:
            async with self._host.turns.turn(self, begun=not fresh) as turn:
                worker = worker or self._new_worker()
                if worker is None:
                    return None, False
                turn.watch(worker.pid)
                await self._set_up(worker, fresh=fresh)
            if self._is_over or self.error:
                worker.dismiss()
            while worker.child.running and not worker.expected_to_end:
                server = await self._host.server()
                if await self._join(worker, server) and not served:
                    served = True
                    if trial is not None and _is_open(trial):
                        trial.set_result(worker)
                    self._host.worker_is_ready(worker)
                await first_end(worker.child, server.child)
                self.live.disconnect(worker)
                worker.excuse()
            await worker.child.wait()
        except HookError:
            raise
        except (PytritonPluginsError, OSError) as error:
            self._failed(str(error))
            if worker is not None:
                worker.kill()
        finally:
            if worker is not None:
                if self.error or _is_open(trial):
                    worker.kill()
                self.live.disconnect(worker)
        return worker, served

    async def _set_up(self, worker: WorkerProcess, *, fresh: bool) -> None:
        hooks = self._host.worker_hooks()
        if fresh:
            self._compare(await worker.declared(self.effective.import_timeout))
        await worker.serve(self.effective, hooks)

    async def _join(self, worker: WorkerProcess, server: TritonServer) -> bool:
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

    def _compare(self, declarations: list[ModelDeclaration]) -> None:
        if self.declaration not in [self._host.resolver.configured(each) for each in declarations]:
            raise WorkerFailed("its plugin declares it differently now than when it was loaded; restart pytriton-host")

    async def _loaded(self, server: TritonServer) -> None:
        async with self._loading:
            if self.loaded:
                return
            await self._host.load(self, server)
            self.gone.clear()
            self.loaded = self._has_served = True
            self._settled.set()
        workers = f"{self.worker_count} worker{'s' if self.worker_count > 1 else ''}"
        memory = f"shared memory {in_mib(self.ledger.at_start)} for {workers}"
        _LOG.info("model %s version %d: serving; %s", self.name, self.declaration.version, memory)
        self._host.changed()

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


def _is_open(trial: asyncio.Future[WorkerProcess] | None) -> bool:
    return trial is not None and not trial.done()
