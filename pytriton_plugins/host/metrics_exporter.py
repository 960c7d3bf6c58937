"""The host's own metrics, and the loop in which the backend is told of all; runs in the host's event loop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from pytriton_plugins.errors import ServerError
from pytriton_plugins.host.metrics.registry import MetricsRegistry, Model
from pytriton_plugins.host.timeouts import within
from pytriton_plugins.host.triton.server import TritonServer
from pytriton_plugins.shm.wire import LinkKind, LinkMessage

if TYPE_CHECKING:
    from pytriton_plugins.host.supervision.supervisor import ServedModel

_LOG = logging.getLogger("pytriton.host")
PERIOD = 0.5
"""Seconds between two looks when nothing changes that a look would see."""

_MESSAGES = 8
"""Sent in one period at most. One takes the backend up to 2.5 ms, with as many observations as it may have."""

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


class Gauges:
    """Looks at every model, and shows what has changed since the last look."""

    def __init__(self, metrics: MetricsRegistry, models: Callable[[], Iterable[ServedModel]]) -> None:
        self._metrics = metrics
        self._models = models
        self._shown: dict[tuple[str, Model], float] = {}
        self._counted: dict[tuple[str, int], int] = {}
        """How far each counter of each served model was seen; one that is replaced begins again."""
        self._running: dict[int, int] = {}
        """Requests that run, of each served model by its number."""
        self._changed = asyncio.Event()

    def changed(self) -> None:
        """Have the next look now."""
        self._changed.set()

    async def due(self) -> None:
        """Wait until it is time for the next look."""
        with contextlib.suppress(TimeoutError):
            await within(self._changed.wait(), PERIOD)
        self._changed.clear()

    async def ask(self, server: TritonServer) -> None:
        """Have the server say how many requests of each model run; raises ServerError when it ends."""
        self._running = {}
        for served in list(self._models()):
            if served.loaded:
                # No time limit, as below.
                self._running[served.number], _ = await server.requests_of(served.number, timeout=None)

    def look(self) -> None:
        levels: dict[tuple[str, Model], float] = dict.fromkeys(self._shown, 0.0)
        for served in self._models():
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
                self._metrics.show("gauge", name, GAUGES[name], model, level)

    def _count(self, name: str, model: Model, served: int, count: int) -> None:
        before = self._counted.get((name, served))
        if before != count:
            self._counted[name, served] = count
            self._metrics.show("counter", name, COUNTERS[name], model, count - (before or 0))


async def keep_told(server: TritonServer, metrics: MetricsRegistry, gauges: Gauges) -> None:
    """Tell this server's backend of all metrics, and of what changes, until it ends."""
    metrics.resend()
    try:
        while server.child.running:
            with contextlib.suppress(ServerError):
                await gauges.ask(server)
            gauges.look()
            await _tell(server, metrics)
            await gauges.due()
    except Exception:
        _LOG.exception("the metrics of models are not shown any more: the host failed while it told of them")


async def _tell(server: TritonServer, metrics: MetricsRegistry) -> None:
    try:
        for _ in range(_MESSAGES):
            if not (payload := metrics.payload()):
                return
            # No time limit: a server that does not read is sent no second message, and its end ends the wait.
            await server.link.ask(LinkMessage(LinkKind.METRIC, payload=payload), timeout=None)
    except ServerError:
        metrics.resend()  # what was counted in that message is lost; what gauges show must not be
