"""Which channels lead to which live workers of one model."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING

import attrs

from pytriton_plugins.host.memory.ledger import Channel
from pytriton_plugins.shm.sockets import socket_pair

if TYPE_CHECKING:
    from pytriton_plugins.host.memory.ledger import Ledger
    from pytriton_plugins.host.supervision.backend_model import BackendModel
    from pytriton_plugins.host.supervision.context import ChangeListener
    from pytriton_plugins.host.workers.worker import Worker

_numbers = itertools.count(1)
"""Of channels: no two in this process have the same."""


@attrs.define
class Slots:
    """The slots of one live worker: those with a channel, and what is known of the others."""

    worker: Worker
    channels: dict[int, Channel] = attrs.Factory(dict)
    freed: set[int] = attrs.Factory(set)
    """Channels whose slots can serve again, although the backend has not given them up yet."""
    lost: set[int] = attrs.Factory(set)
    """Channels that the backend has given up, and whose slots have no other one yet."""


class WorkerChannels:
    """The live workers, by number, and the channels of each: one for each of its slots."""

    def __init__(self, slots: int, ledger: Ledger, backend: BackendModel, listener: ChangeListener) -> None:
        """``listener`` learns of each worker that comes or goes."""
        self._slots = slots
        self._ledger = ledger
        self._backend = backend
        self._listener = listener
        self._loop = asyncio.get_running_loop()
        self._live: dict[int, Slots] = {}
        self._last_live = self._loop.time()

    def __len__(self) -> int:
        """The workers with a channel at least: an attached one may have lost all of them, and still be connected."""
        return sum(bool(slots.channels) for slots in self._live.values())

    def __contains__(self, number: object) -> bool:
        return number in self._live

    @property
    def workers(self) -> list[Worker]:
        return [slots.worker for slots in self._live.values()]

    @property
    def seconds_without(self) -> float:
        """For how long there has been no live worker."""
        return 0.0 if len(self) else self._loop.time() - self._last_live

    def connect(self, worker: Worker) -> None:
        """A channel for each slot, with its first segments; raises ShmError, or ServerGone when there is no server."""
        slots = self._live.setdefault(worker.number, Slots(worker))
        for _ in range(self._slots):
            self._connect_slot(slots)
        self._listener.changed()

    def free(self, worker: Worker, channel: int) -> None:
        """The slot of an attached worker that served ``channel`` can serve again."""
        slots = self._live.get(worker.number)
        if slots is not None and channel in {*slots.channels, *slots.lost}:  # else it was an earlier server's
            slots.freed.add(channel)

    def connect_again(self, worker: Worker) -> None:
        """A channel for each slot of an attached worker that lost it and is free.

        Raises as `connect` does, and OSError; what has none by then gets it in a later call.
        """
        slots = self._live.get(worker.number)
        for channel in sorted(slots.lost & slots.freed) if slots is not None else ():
            assert slots is not None
            self._connect_slot(slots)
            slots.lost.discard(channel)
            slots.freed.discard(channel)
            self._listener.changed()

    def _connect_slot(self, slots: Slots) -> None:
        request, response = self._ledger.open_pair(slots.worker.number)
        number, channel = next(_numbers), Channel(request.number, response.number)
        try:
            ours, theirs = socket_pair()
            with ours, theirs:
                # First the backend: a worker that cannot be told its channel has ended.
                self._backend.introduce(number, ours, request)
                slots.channels[number] = channel
                slots.worker.give_channel(number, theirs, response)
        except BaseException:
            if number not in slots.channels:
                self._ledger.release_channel(channel)
            raise

    def drop(self, number: int) -> None:
        """A channel is gone, and its memory; its worker stays."""
        slots = next((slots for slots in self._live.values() if number in slots.channels), None)
        if slots is None:
            return
        self._ledger.release_channel(slots.channels.pop(number))
        slots.lost.add(number)
        if not len(self):
            self._last_live = self._loop.time()
        self._listener.changed()

    def disconnect(self, worker: Worker) -> None:
        """The worker, or the server, is gone, and with it the worker's channels and their memory."""
        self._ledger.release(worker.number)
        slots = self._live.pop(worker.number, None)
        if slots is None or not slots.channels:
            return
        if not len(self):
            self._last_live = self._loop.time()
        self._listener.changed()
        for channel in slots.channels:
            self._backend.gone(channel)

    def retire(self, worker: Worker, sequences: float = 0.0) -> None:
        """Send the worker no more batches; it finishes those that it has, and ends.

        Its live sequences go on there for ``sequences`` seconds at most.
        """
        worker.finish()
        for channel in self.channels_of(worker):
            self._backend.retire(channel, sequences)

    def channels_of(self, worker: Worker) -> list[int]:
        slots = self._live.get(worker.number)
        return list(slots.channels) if slots is not None else []

    def worker_of(self, channel: int) -> Worker | None:
        """The worker behind a channel; None for a channel that is not, or no longer, one of these."""
        return next((slots.worker for slots in self._live.values() if channel in slots.channels), None)
