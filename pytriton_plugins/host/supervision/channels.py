"""Which channels lead to which live workers of one model."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING

from pytriton_plugins.shm.sockets import socket_pair

if TYPE_CHECKING:
    from pytriton_plugins.host.memory.ledger import Ledger
    from pytriton_plugins.host.supervision.backend_model import BackendModel
    from pytriton_plugins.host.supervision.context import ChangeListener
    from pytriton_plugins.host.workers.process import WorkerProcess

_numbers = itertools.count(1)


class WorkerChannels:
    """The live workers, by number, and the channels of each: one for each of its slots."""

    def __init__(self, slots: int, ledger: Ledger, backend: BackendModel, listener: ChangeListener) -> None:
        """``listener`` learns of each worker that comes or goes."""
        self._slots = slots
        self._ledger = ledger
        self._backend = backend
        self._listener = listener
        self._loop = asyncio.get_running_loop()
        self._channels: dict[int, tuple[WorkerProcess, list[int]]] = {}
        self._last_live = self._loop.time()

    def __len__(self) -> int:
        return len(self._channels)

    def __contains__(self, number: object) -> bool:
        return number in self._channels

    @property
    def workers(self) -> list[WorkerProcess]:
        return [worker for worker, _ in self._channels.values()]

    @property
    def seconds_without(self) -> float:
        """For how long there has been no live worker."""
        return 0.0 if self._channels else self._loop.time() - self._last_live

    def connect(self, worker: WorkerProcess) -> None:
        """A channel for each slot, with its first segments; raises ShmError, or ServerGone when there is no server."""
        for _ in range(self._slots):
            request = self._ledger.open_first(worker.number)
            response = self._ledger.open_first(worker.number)
            ours, theirs = socket_pair()
            with ours, theirs:
                worker.give_channel(theirs, response)
                self._backend.introduce(self._new_channel(worker), ours, request)
        self._listener.changed()

    def disconnect(self, worker: WorkerProcess) -> None:
        """The worker, or the server, is gone, and with it the worker's channels and their memory."""
        self._ledger.release(worker.number)
        _, channels = self._channels.pop(worker.number, (worker, []))
        if not channels:
            return
        if not self._channels:
            self._last_live = self._loop.time()
        self._listener.changed()
        for channel in channels:
            self._backend.gone(channel)

    def retire(self, worker: WorkerProcess) -> None:
        """Send the worker no more batches; it finishes those that it has, and ends."""
        worker.finish()
        for channel in self.channels_of(worker):
            self._backend.retire(channel)

    def channels_of(self, worker: WorkerProcess) -> list[int]:
        return self._channels.get(worker.number, (worker, []))[1]

    def worker_of(self, channel: int) -> WorkerProcess | None:
        """The worker behind a channel; None for a channel that is not, or no longer, one of these."""
        return next((worker for worker, channels in self._channels.values() if channel in channels), None)

    def _new_channel(self, worker: WorkerProcess) -> int:
        """The number of one more channel, which no other in this process has."""
        _, channels = self._channels.setdefault(worker.number, (worker, []))
        channels.append(next(_numbers))
        return channels[-1]
