"""Which channels lead to which live workers of one model; in the host's event loop."""

from __future__ import annotations

import itertools

from pytriton_plugins.host.worker import Worker

_numbers = itertools.count(1)


class Connections:
    """The live workers, by number, and the channels of each: one for each of its slots."""

    def __init__(self) -> None:
        self._channels: dict[int, tuple[Worker, list[int]]] = {}

    def __len__(self) -> int:
        return len(self._channels)

    def __contains__(self, number: object) -> bool:
        return number in self._channels

    @property
    def workers(self) -> list[Worker]:
        return [worker for worker, _ in self._channels.values()]

    def new_channel(self, worker: Worker) -> int:
        """The number of one more channel, which no other in this process has."""
        _, channels = self._channels.setdefault(worker.number, (worker, []))
        channels.append(next(_numbers))
        return channels[-1]

    def remove(self, worker: Worker) -> list[int]:
        """Forget a worker; its channels."""
        _, channels = self._channels.pop(worker.number, (worker, []))
        return channels

    def channels_of(self, worker: Worker) -> list[int]:
        return self._channels.get(worker.number, (worker, []))[1]

    def worker_of(self, channel: int) -> Worker | None:
        """Who is behind a channel; None for a channel that is not, or no longer, one of these."""
        return next((worker for worker, channels in self._channels.values() if channel in channels), None)
