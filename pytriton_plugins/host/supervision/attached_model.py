"""A model whose workers have attached themselves: they come and go, and none is started in the place of another."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from pytriton_plugins.errors import PytritonPluginsError
from pytriton_plugins.host.supervision.place import Place
from pytriton_plugins.host.supervision.supervisor import ModelSupervisor
from pytriton_plugins.host.workers.attached import AttachedWorker
from pytriton_plugins.host.workers.worker import WorkerFailed

if TYPE_CHECKING:
    from pytriton_plugins.discovery.references import ModelReference
    from pytriton_plugins.host.supervision.context import ModelContext
    from pytriton_plugins.host.workers.worker import Worker
    from pytriton_plugins.model.declaration import ModelDeclaration

_LOG = logging.getLogger("pytriton.host")
LEFT = "it has left before it was served"


class AttachedPlace(Place):
    """The place of one attached worker, as long as it is there."""

    async def keep(self, worker: AttachedWorker) -> None:
        """Serve with ``worker``, which is set up, until it ends."""
        try:
            if worker.expected_to_end or not worker.running:
                raise WorkerFailed(LEFT)
            await self._serve_until_end(worker)
            if not self._has_served:  # tritonserver has ended meanwhile
                raise WorkerFailed(LEFT)
        except (PytritonPluginsError, OSError) as error:
            self._failed(worker, str(error))
        except Exception:
            _LOG.exception("model %s: internal error in its supervisor", self._model.name)
            self._failed(worker, "internal error; see the daemon's log")
        finally:
            self._live.disconnect(worker)

    def _failed(self, worker: AttachedWorker, reason: str) -> None:
        """In any case a model whose first worker does not serve settles: what changes models waits for it."""
        worker.reject(reason)
        self._model.worker_failed(f"{worker.reference.label}: {reason}")

    def _on_served(self, worker: Worker) -> None:
        assert isinstance(worker, AttachedWorker)
        worker.confirm()


class AttachedModel(ModelSupervisor):
    """One model of one or several processes with the same declaration."""

    is_attached = True

    def __init__(self, host: ModelContext, reference: ModelReference, declaration: ModelDeclaration) -> None:
        """Raises HookError while the host starts, from a hook plugin that is asked for the model's policy."""
        super().__init__(host, reference, declaration)
        self.workers: list[AttachedWorker] = []
        """Those that have attached and not left, connected or not."""
        self.worker_count = 0

    def start(self, first: Worker | None) -> None:
        """Start none: `add` gives it its workers."""

    def add(self, worker: AttachedWorker) -> None:
        """Serve with one more worker."""
        self._set_workers([*self.workers, worker])
        place = AttachedPlace(self, self.live, self._host)
        self._places.append(self._loop.create_task(place.keep(worker)))

    def give_up(self, reason: str) -> None:
        """Stop serving for ``reason``."""
        super().give_up(reason)
        for worker in self.workers:
            worker.reject(reason)

    def mark_replaced(self, label: str) -> None:
        """Its workers are about to be stopped because ``label`` serves in their place; "" if that has failed."""
        for worker in self.workers:
            worker.replaced_by = label

    def forget(self, worker: AttachedWorker) -> None:
        """The worker leaves, or has ended."""
        self._set_workers([each for each in self.workers if each is not worker])

    def _set_workers(self, workers: list[AttachedWorker]) -> None:
        self.workers, self.worker_count = workers, len(workers)
        if workers:  # else the last one stays in messages
            self.reference = workers[0].reference

    def _why_not_ready(self) -> str:
        connected = [worker for worker in self.workers if worker.number in self.live]
        stuck = [worker for worker in connected if self._is_stuck(worker)]
        if self.error or not stuck or len(stuck) < len(connected):
            return super()._why_not_ready()
        return stuck[0].trouble

    def _is_stuck(self, worker: AttachedWorker) -> bool:
        """Whether it does not answer, or every slot of it has a call that is late."""
        return bool(worker.trouble) and not (worker.is_late and self.live.channels_of(worker))
