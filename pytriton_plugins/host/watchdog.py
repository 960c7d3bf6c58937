"""Finds idle workers that do not answer on their link: those of the daemon are killed and replaced."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from pytriton_plugins.errors import ServerError

if TYPE_CHECKING:
    from pytriton_plugins.host.supervision.registry import ModelRegistry
    from pytriton_plugins.host.supervision.supervisor import ModelSupervisor
    from pytriton_plugins.host.workers.worker import Worker

PING_INTERVAL = 1.0
"""Seconds between two pings to a worker."""

PING_TIMEOUT = 10.0
"""Seconds after which an idle worker that has not answered is replaced."""

_MAX_DELAY = 1.0
"""Seconds by which this loop may be late; beyond that its own freeze explains the missing answers."""


class Watchdog:
    """Pings every live worker. Busy workers are exempt: the model's timeout covers them."""

    def __init__(self, registry: ModelRegistry) -> None:
        self._registry = registry

    async def run(self) -> None:
        """Ping until cancelled."""
        before = _moment()
        while True:
            await asyncio.sleep(PING_INTERVAL)
            now = _moment()
            if max(now[0] - before[0], now[1] - before[1]) > PING_INTERVAL + _MAX_DELAY:
                self._reset()
            before = now
            for model, worker in self._live():
                await self._check(model, worker)

    def _live(self) -> list[tuple[ModelSupervisor, Worker]]:
        return [(model, worker) for model in self._registry.all_models() for worker in model.live.workers]

    def _reset(self) -> None:
        """This process or the machine was frozen, so missing answers mean nothing."""
        for _, worker in self._live():
            worker.pings.forget()

    async def _check(self, model: ModelSupervisor, worker: Worker) -> None:
        if worker.pings.silent_for > PING_TIMEOUT:
            if worker.pings.excused or await self._is_busy(model, worker):
                worker.pings.forget()
            elif worker.running:
                worker.was_silent(model.name)
            return
        worker.ping()

    async def _is_busy(self, model: ModelSupervisor, worker: Worker) -> bool:
        """Whether the worker runs a batch, or that cannot be known."""
        server = self._registry.running
        if server is None:
            return True
        try:
            return any([await server.is_busy(channel) for channel in model.live.channels_of(worker)])
        except ServerError:
            return True


def _moment() -> tuple[float, float]:
    """By a clock that stops while the machine sleeps, and by one that does not."""
    return time.monotonic(), time.clock_gettime(time.CLOCK_BOOTTIME)
