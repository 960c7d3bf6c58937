"""The host's own metrics, and the loop that sends all metrics to the backend."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Protocol

from pytriton_plugins.errors import ServerError
from pytriton_plugins.host.metrics.registry import Model
from pytriton_plugins.host.timeouts import within
from pytriton_plugins.shm.wire import LinkKind, LinkMessage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytriton_plugins.host.metrics.registry import MetricsRegistry
    from pytriton_plugins.host.supervision.supervisor import ModelSupervisor
    from pytriton_plugins.host.triton.server import TritonServer

_LOG = logging.getLogger("pytriton.host")
POLL_INTERVAL = 0.5
"""Seconds between two looks while nothing changes."""

_MAX_MESSAGES = 8
"""Sent in one interval. One takes the backend up to 2.5 ms, with as many observations as it may have."""

GAUGES = {
    "pytriton_shared_memory_bytes": "Bytes of all segments of the model, most of which may never have been touched",
    "pytriton_shared_memory_touched_bytes": "Bytes of memory that stand behind the model's segments",
    "pytriton_shared_memory_limit_bytes": "Bytes that the model's segments may have (--shm-max)",
    "pytriton_workers": "Live workers of the model",
    "pytriton_running_requests": "Requests that are with a worker of the model",
}
COUNTERS = {
    "pytriton_worker_restarts_total": "Workers started in the place of one that had ended",
    "pytriton_shared_memory_refusals_total": "Batches that were refused for want of shared memory",
}


class MetricsSource(Protocol):
    """The metrics to export, and the models that the host's own ones are of."""

    metrics: MetricsRegistry

    def all_models(self) -> Iterable[ModelSupervisor]: ...


class MetricsExporter:
    """Looks at every model, and sends the backend what has changed since the last look."""

    def __init__(self, source: MetricsSource) -> None:
        self._source = source
        self._shown: dict[tuple[str, Model], float] = {}
        self._counted: dict[tuple[str, int], int] = {}
        """How far each counter of each served model was seen; one that is replaced begins again."""
        self._running: dict[int, int] = {}
        """Requests that run, of each served model by its number."""
        self._changed = asyncio.Event()

    def changed(self) -> None:
        """Look now instead of at the end of the interval."""
        self._changed.set()

    async def run(self, server: TritonServer) -> None:
        """Send this server's backend all metrics, and those that change, until it ends."""
        self._source.metrics.resend()
        try:
            while server.child.running:
                with contextlib.suppress(ServerError):
                    await self._count_running(server)
                self._look()
                await _send(server, self._source.metrics)
                await self._pause()
        except Exception:
            _LOG.exception("internal error: the metrics of models are not exported any more")

    async def _pause(self) -> None:
        with contextlib.suppress(TimeoutError):
            await within(self._changed.wait(), POLL_INTERVAL)
        self._changed.clear()

    async def _count_running(self, server: TritonServer) -> None:
        """Ask the server how many requests of each model run; raises ServerError when it ends."""
        self._running = {}
        for model in list(self._source.all_models()):
            if model.loaded:
                # No timeout, as below.
                self._running[model.number], _ = await server.requests_of(model.number, timeout=None)

    def _look(self) -> None:
        levels: dict[tuple[str, Model], float] = dict.fromkeys(self._shown, 0.0)
        for served in self._source.all_models():
            model = Model(served.name, served.declaration.version)
            memory = served.ledger.use
            running = self._running.get(served.number, 0)
            now = (memory.in_use, memory.touched, memory.max, len(served.live), running)
            for name, part in zip(GAUGES, now, strict=True):
                levels[name, model] = levels.get((name, model), 0.0) + part
            for name, count in zip(COUNTERS, (served.restarts, served.ledger.refusals), strict=True):
                self._count(name, model, served.number, count)
        for (name, model), level in levels.items():
            if self._shown.get((name, model)) != level:
                self._shown[name, model] = level
                self._source.metrics.show("gauge", name, GAUGES[name], model, level)

    def _count(self, name: str, model: Model, served: int, count: int) -> None:
        before = self._counted.get((name, served))
        if before != count:
            self._counted[name, served] = count
            self._source.metrics.show("counter", name, COUNTERS[name], model, count - (before or 0))


async def _send(server: TritonServer, metrics: MetricsRegistry) -> None:
    try:
        for _ in range(_MAX_MESSAGES):
            if not (payload := metrics.payload()):
                return
            # No timeout: a server that does not read is sent no second message, and its end ends the wait.
            await server.link.ask(LinkMessage(LinkKind.METRIC, payload=payload), timeout=None)
    except ServerError:
        metrics.resend()  # what was counted in that message is lost; what gauges show must not be
