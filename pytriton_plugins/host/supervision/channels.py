"""Which channels lead to which live workers of one model."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING

from pytriton_plugins.host.memory.ledger import Channel
from pytriton_plugins.shm.sockets import socket_pair

if TYPE_CHECKING:
    from pytriton_plugins.host.memory.ledger import Ledger
    from pytriton_plugins.host.supervision.backend_model import BackendModel
    from pytriton_plugins.host.supervision.context import ChangeListener
    from pytriton_plugins.host.workers.worker import Worker

_numbers = itertools.count(1)
"""Of channels: no two in this process have the same."""


class WorkerChannels:
    """The live workers, by number, and the channels of each: one for each of its slots."""

    def __init__(self, slots: int, ledger: Ledger, backend: BackendModel, listener: ChangeListener) -> None:
        """``listener`` learns of each worker that comes or goes."""
        self._slots = slots
        self._ledger = ledger
        self._backend = backend
        self._listener = listener
        self._loop = asyncio.get_running_loop()
        self._channels: dict[int, tuple[Worker, dict[int, Channel]]] = {}
        self._last_live = self._loop.time()

    def __len__(self) -> int:
        """The workers with a channel at least: an attached one may have lost all of them, and still be connected."""
        return sum(bool(channels) for _, channels in self._channels.values())

    def __contains__(self, number: object) -> bool:
        return number in self._channels

    @property
    def workers(self) -> list[Worker]:
        return [worker for worker, _ in self._channels.values()]

    @property
    def seconds_without(self) -> float:
        """For how long there has been no live worker."""
        return 0.0 if len(self) else self._loop.time() - self._last_live

    def connect(self, worker: Worker) -> None:
        """A channel for each slot, with its first segments; raises ShmError, or ServerGone when there is no server."""
        _, channels = self._channels.setdefault(worker.number, (worker, {}))
        for _ in range(self._slots):
            self._connect_slot(worker, channels)
        self._listener.changed()

    def connect_again(self, worker: Worker) -> None:
        """A channel for a slot of an attached worker that has lost it; raises as `connect` does."""
        _, channels = self._channels.get(worker.number, (worker, None))
        if channels is not None and len(channels) < self._slots:
            self._connect_slot(worker, channels)
            self._listener.changed()

    def _connect_slot(self, worker: Worker, channels: dict[int, Channel]) -> None:
        request = self._ledger.open_first(worker.number)
        response = self._ledger.open_first(worker.number)
        ours, theirs = socket_pair()
        with ours, theirs:
            worker.give_channel(theirs, response)
            number = next(_numbers)
            channels[number] = Channel(request.number, response.number)
            self._backend.introduce(number, ours, request)

    def drop(self, number: int) -> None:
        """A channel is gone, and its memory; its worker stays."""
        worker = self.worker_of(number)
        if worker is None:
            return
        _, channels = self._channels[worker.number]
        self._ledger.release_channel(channels.pop(number))
        if not len(self):
            self._last_live = self._loop.time()
        self._listener.changed()

    def disconnect(self, worker: Worker) -> None:
        """The worker, or the server, is gone, and with it the worker's channels and their memory."""
        self._ledger.release(worker.number)
        _, channels = self._channels.pop(worker.number, (worker, {}))
        if not channels:
            return
        if not len(self):
            self._last_live = self._loop.time()
        self._listener.changed()
        for channel in channels:
            self._backend.gone(channel)

    def retire(self, worker: Worker) -> None:
        """Send the worker no more batches; it finishes those that it has, and ends."""
        worker.finish()
        for channel in self.channels_of(worker):
            self._backend.retire(channel)

    def channels_of(self, worker: Worker) -> list[int]:
        return list(self._channels.get(worker.number, (worker, ()))[1])

    def worker_of(self, channel: int) -> Worker | None:
        """The worker behind a channel; None for a channel that is not, or no longer, one of these."""
        return next((worker for worker, channels in self._channels.values() if channel in channels), None)
