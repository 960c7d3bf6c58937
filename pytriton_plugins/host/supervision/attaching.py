"""The life of each attached worker: greeted, checked, served, and forgotten when its process leaves."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from pytriton_plugins.discovery.entry_points import framework_version
from pytriton_plugins.errors import PytritonPluginsError, ServerError
from pytriton_plugins.host.supervision.attached_model import LEFT, AttachedModel
from pytriton_plugins.host.supervision.plugins import check_names
from pytriton_plugins.host.tasks import background, result_unless
from pytriton_plugins.host.workers.worker import WorkerFailed

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator

    from pytriton_plugins.host.supervision.admission import Admission
    from pytriton_plugins.host.supervision.registry import ModelRegistry
    from pytriton_plugins.host.supervision.supervisor import ModelSupervisor
    from pytriton_plugins.host.workers.attached import AttachedWorker
    from pytriton_plugins.model.declaration import ModelDeclaration

_LOG = logging.getLogger("pytriton.host")
HELLO_TIMEOUT = 10.0
"""Seconds from a connection to the declaration of its model."""

LEAVE_TIMEOUT = 30.0
"""Seconds for the requests that run when a process removes its model."""

_POLL_INTERVAL = 0.05
"""Seconds between two looks whether they run."""

STOP_TIMEOUT = 1.0
"""Seconds for the end of a session in which nothing runs."""


class Attaching:
    """Serves the callables of other processes, one for each connection."""

    def __init__(self, registry: ModelRegistry, admission: Admission) -> None:
        self._registry = registry
        self._admission = admission
        self._removals: dict[tuple[str, int], asyncio.Task[None]] = {}
        """Of models whose last worker has left."""
        self.greeting = 0
        """Connections that have not said yet what they are."""

    def accept(self, sock: socket.socket, pid: int) -> None:
        """Serve the process ``pid`` behind ``sock`` from now on."""
        background(self._run(self._registry.attached_worker(sock, pid)))

    async def _run(self, worker: AttachedWorker) -> None:
        try:
            model = await self._attached(worker)
        except PytritonPluginsError as error:
            if worker.has_greeted or worker.running:  # a process may just look whether the daemon is there
                _LOG.warning("process %d cannot attach: %s", worker.pid, error, extra={"worker": worker.pid})
            worker.reject(str(error))
            return
        except Exception:
            _LOG.exception("internal error while process %d attaches", worker.pid)
            worker.reject("internal error; see the daemon's log")
            return
        await worker.left()
        if worker.replaced_by:  # by then Triton has the other model, which must not be unloaded under this name
            async with self._registry.changing:
                pass
        if not worker.was_stopped:  # else everything ends
            await self._leave(model, worker)

    async def _attached(self, worker: AttachedWorker) -> AttachedModel:
        """The model that it serves now; raises WorkerFailed or another error with the reason why not."""
        declaration = self._checked(await self._introduced(worker))
        await self._settled(worker)
        async with self._free(declaration):
            model = self._model(worker, declaration)
            new = None if model.workers else model
        # Others come and go meanwhile: it may take as long as the load timeout.
        await self._set_up(worker, model)
        async with self._free(declaration):
            model = self._model(worker, declaration, new)
            _LOG.info("model %s: %s attaches", declaration.name, worker.reference.label, extra={"worker": worker.pid})
            if model.workers:
                model.add(worker)
                return model
            return await self._admit(model, worker)

    async def _introduced(self, worker: AttachedWorker) -> list[ModelDeclaration]:
        self.greeting += 1
        try:
            return await worker.introduced(framework_version(), HELLO_TIMEOUT)
        finally:
            self.greeting -= 1

    async def _settled(self, worker: AttachedWorker) -> None:
        """Wait for the models of the start: what a name belongs to is known only then."""
        await result_unless(self._registry.settled, worker.left())
        if not self._registry.settled.is_set():
            raise WorkerFailed(LEFT)

    async def _set_up(self, worker: AttachedWorker, model: AttachedModel) -> None:
        """Raises WorkerFailed if it fails, or if the process leaves meanwhile, whose callable may never return."""
        # Its process imports no plugin of the daemon's.
        await result_unless(worker.leaves, worker.serve(model.effective, ()))
        if worker.leaves.is_set():
            raise WorkerFailed(LEFT)

    @contextlib.asynccontextmanager
    async def _free(self, declaration: ModelDeclaration) -> AsyncIterator[None]:
        """No model comes or goes inside, and none of that name and version is being removed."""
        while True:
            async with self._registry.changing:
                removal = self._removals.get(_key(declaration))
                if removal is None:
                    yield
                    return
            await asyncio.wait([removal])

    def _model(
        self, worker: AttachedWorker, declaration: ModelDeclaration, new: AttachedModel | None = None
    ) -> AttachedModel:
        """The model of that name and version, or ``new``, or one that is made; raises an error if it may not serve."""
        found = self._registry.models.get(_key(declaration))
        model = None if found is None or found.unloaded else self._same(found, worker, declaration)
        if model is None:
            self._admission.check_tensors(worker.reference, [declaration])
        self._admission.check_descriptors([declaration])
        return model or new or AttachedModel(self._registry, worker.reference, declaration)

    def _checked(self, declared: list[ModelDeclaration]) -> ModelDeclaration:
        check_names(declared)
        enabled = self._registry.resolver.enabled(declared)
        if len(declared) != 1:
            raise WorkerFailed(f"it declares {len(declared)} models on one link; attach each by itself")
        if not enabled:
            raise WorkerFailed(f"the configuration disables model {declared[0].name}; remove enabled = false there")
        return enabled[0]

    async def _admit(self, model: AttachedModel, worker: AttachedWorker) -> AttachedModel:
        """Serve a model that is not served, in the place of one that was unloaded."""
        unloaded = self._registry.models.get(_key(model.declaration))
        model.add(worker)
        why_not = await self._registry.admit_model(model, None, {unloaded} if unloaded is not None else set())
        if why_not:
            raise WorkerFailed(why_not)
        return model

    def _same(self, found: ModelSupervisor, worker: AttachedWorker, declaration: ModelDeclaration) -> AttachedModel:
        """The model, if ``worker`` may serve it too."""
        label = f"model {found.name} version {found.declaration.version}"
        if not isinstance(found, AttachedModel):
            raise WorkerFailed(
                f"{label} of {worker.reference.label} is served already by plugin {found.reference.label}; "
                "give it another name or version"
            )
        if found.error:
            raise WorkerFailed(f"{label} of {found.reference.label} has failed: {found.error}; give it another name")
        if _comparable(found.declaration) != _comparable(declaration):
            raise WorkerFailed(
                f"{label} is served already by {found.reference.label} with another declaration than that of "
                f"{worker.reference.label} ({_difference(found.declaration, declaration)}); declare both alike, or "
                "give it another name or version"
            )
        return found

    async def _leave(self, model: AttachedModel, worker: AttachedWorker) -> None:
        unloaded = model.error  # by an operator
        model.forget(worker)
        _LOG.info("model %s: %s leaves", model.name, worker.reference.label, extra={"worker": worker.pid})
        if model.workers:
            model.live.retire(worker)
        else:
            removal = background(self._remove(model, worker))
            self._removals[_key(model.declaration)] = removal
            removal.add_done_callback(lambda _: self._removals.pop(_key(model.declaration), None))
            await asyncio.wait([removal])
        await self._drained(model, worker)
        if unloaded:
            worker.reject(unloaded)
        await worker.stop(STOP_TIMEOUT)

    async def _remove(self, model: AttachedModel, worker: AttachedWorker) -> None:
        """Unload a model without workers."""
        current = self._registry.models.get(_key(model.declaration))
        if current is not model:  # Triton has the model that came in its place under this name
            worker.reject(f"it was replaced by {current.reference.label}" if current else "it was replaced")
            self._registry.forget(model)
            return
        model.take_out(f"{worker.reference.label} has {'removed it' if worker.running else 'ended'}")
        await self._drained(model, worker)
        try:
            await self._registry.loader.unload(model)
        except PytritonPluginsError as error:
            _LOG.error("model %s: %s", model.name, error)
        self._registry.forget(model)

    async def _drained(self, model: AttachedModel, worker: AttachedWorker) -> None:
        """Return when no request runs in the worker; a late call, which may never return, does not count."""
        loop = asyncio.get_running_loop()
        until = loop.time() + LEAVE_TIMEOUT
        while not await worker.finished(_POLL_INTERVAL) and loop.time() < until:
            if not await self._is_busy(model, worker):
                return

    async def _is_busy(self, model: AttachedModel, worker: AttachedWorker) -> bool:
        server = self._registry.running
        try:
            return server is not None and any(
                [await server.is_busy(channel) for channel in model.live.channels_of(worker)]
            )
        except ServerError:
            return False


def _key(declaration: ModelDeclaration) -> tuple[str, int]:
    return declaration.name, declaration.version


def _comparable(declaration: ModelDeclaration) -> ModelDeclaration:
    """Two processes may give one callable different names, and have different numbers of workers."""
    return replace(declaration, object_name="", workers=1)


def _difference(one: ModelDeclaration, other: ModelDeclaration) -> str:
    """The first setting that differs."""
    ours, theirs = _comparable(one).to_json(), _comparable(other).to_json()
    return next(f"other {name}" for name in ours if ours[name] != theirs[name])
