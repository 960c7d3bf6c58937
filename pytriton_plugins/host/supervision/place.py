"""One place of a model: the worker that serves there, and the next one after its end."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING

from pytriton_plugins.errors import HookError, PytritonPluginsError
from pytriton_plugins.hooks.builtin import RESTARTS
from pytriton_plugins.hooks.manager import BUILT_IN
from pytriton_plugins.host.system.child import first_end
from pytriton_plugins.host.system.resource_limits import shortage
from pytriton_plugins.values import GiveUp, Restart, WorkerExit

if TYPE_CHECKING:
    from pytriton_plugins.host.supervision.channels import WorkerChannels
    from pytriton_plugins.host.supervision.context import ModelContext, SupervisedModel
    from pytriton_plugins.host.workers.worker import Worker

_LOG = logging.getLogger("pytriton.host")
RESPAWN_DELAY = 0.5
"""Seconds until another worker is started if one could not be."""

MAX_HISTORY = 16
"""Ends of workers that are kept for each place."""


class Place:
    """Has one worker serve through each tritonserver, one after the other."""

    def __init__(self, model: SupervisedModel, live: WorkerChannels, host: ModelContext) -> None:
        self._model = model
        self._live = live
        self._host = host
        self._has_served = False
        """Whether the worker that is there now has served."""

    @property
    def _model_ends(self) -> bool:
        return bool(self._model.error) or self._model.is_over

    async def _serve_until_end(self, worker: Worker) -> None:
        """Serve with ``worker``, which is set up, until it ends."""
        while worker.running and not worker.expected_to_end:
            server = await self._host.server()
            if await self._model.join(worker, server) and not self._has_served:
                self._has_served = True
                self._on_served(worker)
                self._host.worker_is_ready(worker)
            await first_end(worker, server.child)
            self._live.disconnect(worker)
            worker.pings.excused = True  # it may run a batch of the server that has ended
        await worker.wait()

    def _on_served(self, worker: Worker) -> None:
        """The worker serves for the first time."""


class WorkerPlace(Place):
    """Keeps one worker of a model running until the model has an error or is over."""

    def __init__(
        self,
        model: SupervisedModel,
        live: WorkerChannels,
        host: ModelContext,
        index: int = 0,
        trial: asyncio.Future[Worker] | None = None,
    ) -> None:
        """``index``: the place among those of the model.

        ``trial`` gets the first worker that serves. With it, a first worker that never serves ends the place.
        """
        super().__init__(model, live, host)
        self._index = index
        self._trial = trial
        self._history: deque[WorkerExit] = deque(maxlen=MAX_HISTORY)

    async def keep_alive(self, worker: Worker | None) -> None:
        """Serve with ``worker``, which has imported the plugin, or a new one, and with the next after each end."""
        try:
            while not self._model_ends:
                started = await self._serve_with(worker)
                worker = None
                if (started and started.expected_to_end) or self._is_on_trial:
                    return  # another worker has this place
                if self._model_ends:
                    return
                if started is None:
                    await asyncio.sleep(RESPAWN_DELAY)
                else:
                    await self._after(started)
        except HookError as error:
            self._host.abort(error)
        except Exception:
            _LOG.exception("model %s: internal error in its supervisor", self._model.name)
            self._model.give_up("internal error; see the daemon's log")

    @property
    def _is_on_trial(self) -> bool:
        return self._trial is not None and not self._trial.done()

    async def _after(self, worker: Worker) -> None:
        """Do what hooks choose after the end of a worker: start another, give the model up, or stop the daemon."""
        await worker.ended()
        assert worker.exit is not None
        chosen = self._host.hooks.choose_restart(worker.info, worker.exit, self._history)
        self._history.append(worker.exit)
        name, action = self._model.name, chosen.value
        if isinstance(action, Restart):
            self._model.restarts += 1
            if self._has_served:  # the reason why it did not serve was logged
                ended = f"its worker {worker.pid} ended with {worker.exit.description}"
                _LOG.warning("model %s: %s; starting another", name, ended, extra={"worker": worker.pid})
            await asyncio.sleep(action.after)
        elif isinstance(action, GiveUp) and chosen.plugin == BUILT_IN and self._live:
            # A request that ends each worker that runs it must not cost the model its healthy workers.
            remedy = f"the other workers serve on, and another is started in {RESTARTS.longest:g} s"
            _LOG.error("model %s: %s; %s", name, action.reason, remedy)
            self._model.restarts += 1
            await asyncio.sleep(RESTARTS.longest)
        elif isinstance(action, GiveUp):
            self._model.give_up(action.reason)
        else:
            self._host.stop(f"model {name}: {action.reason} ({chosen.plugin})")
            await asyncio.Event().wait()

    async def _serve_with(self, worker: Worker | None) -> Worker | None:
        """Run ``worker``, which has imported the plugin, or a new one until it ends; None if none could be started."""
        self._has_served, fresh = False, worker is None
        try:
            async with self._host.turns.turn(self._model, begun=not fresh) as turn:
                worker = worker or self._new_worker()
                if worker is None:
                    return None
                turn.watch(worker.pid)
                await self._set_up(worker, fresh=fresh)
            if self._model_ends:
                worker.dismiss()
            await self._serve_until_end(worker)
        except HookError:
            raise
        except (PytritonPluginsError, OSError) as error:
            self._model.worker_failed(str(error))
            if worker is not None:
                worker.kill()
        finally:
            if worker is not None:
                if self._model.error or self._is_on_trial:
                    worker.kill()
                self._live.disconnect(worker)
        return worker

    def _on_served(self, worker: Worker) -> None:
        if self._trial is not None and not self._trial.done():
            self._trial.set_result(worker)

    def _new_worker(self) -> Worker | None:
        if self._model_ends:  # while it waited for its turn
            return None
        try:
            return self._host.new_worker(self._model.reference, self._model.declaration)
        except OSError as error:  # a moment without memory, processes or descriptors
            self._model.worker_failed(f"no worker can be started: {shortage(error)}")
            return None

    async def _set_up(self, worker: Worker, *, fresh: bool) -> None:
        model, hooks = self._model.effective, self._host.worker_hooks()
        if fresh:
            self._model.compare(await worker.declared(model.import_timeout))
        worker.index = self._index
        await worker.serve(model, hooks)
