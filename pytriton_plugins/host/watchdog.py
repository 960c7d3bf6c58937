"""Replaces a worker that is idle and does not answer on its link; runs in the host's event loop."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

from pytriton_plugins.errors import ServerError
from pytriton_plugins.host.workers.process import WorkerProcess

if TYPE_CHECKING:
    from pytriton_plugins.host.supervision.registry import Roster
    from pytriton_plugins.host.supervision.supervisor import ServedModel

_LOG = logging.getLogger("pytriton.host")
PERIOD = 1.0
"""Seconds between two questions to a worker."""

LIMIT = 10.0
"""Seconds after which an idle worker that has not answered is replaced."""

_LATE = 1.0
"""Seconds by which this loop may be late before it takes its own freeze for the reason why nobody answered."""


class Heartbeat:
    """Asks every live worker whether it is there. Who runs a batch may be silent: the model's timeout is for that."""

    def __init__(self, roster: Roster) -> None:
        self._roster = roster

    async def run(self) -> None:
        """Ask until cancelled."""
        before = _moment()
        while True:
            await asyncio.sleep(PERIOD)
            now = _moment()
            if max(now[0] - before[0], now[1] - before[1]) > PERIOD + _LATE:
                self._begin_again()
            before = now
            for model, worker in self._live():
                await self._look_at(model, worker)

    def _live(self) -> list[tuple[ServedModel, WorkerProcess]]:
        return [(model, worker) for model in self._roster.all_models() for worker in model.live.workers]

    def _begin_again(self) -> None:
        """We were frozen ourselves, or the machine was: what was not heard meanwhile says nothing."""
        for _, worker in self._live():
            worker.heard()

    async def _look_at(self, model: ServedModel, worker: WorkerProcess) -> None:
        if worker.silent_for > LIMIT:
            if worker.excused or await self._is_busy(model, worker):
                worker.heard()
            elif worker.child.running:
                _LOG.error(
                    "model %s: its worker %d is idle and has not answered for %.0f s; it is killed",
                    model.name, worker.pid, worker.silent_for,
                )  # fmt: skip
                worker.kill("it was idle and did not answer")
            return
        worker.ask()

    async def _is_busy(self, model: ServedModel, worker: WorkerProcess) -> bool:
        """Whether a batch is with the worker, or nobody can say."""
        server = self._roster.running
        if server is None:
            return True
        try:
            return any([await server.is_busy(channel) for channel in model.live.channels_of(worker)])
        except ServerError:
            return True


def _moment() -> tuple[float, float]:
    """By a clock that stands still while the machine sleeps, and by one that does not."""
    return time.monotonic(), time.clock_gettime(time.CLOCK_BOOTTIME)
