"""The plugins, models and workers of one host."""

from __future__ import annotations

import asyncio
import itertools
from functools import partial
from typing import TYPE_CHECKING, Any

from pytriton_plugins.config.resolver import ModelResolver
from pytriton_plugins.errors import HookError
from pytriton_plugins.host.config_parts import launch_settings
from pytriton_plugins.host.memory.allocator import SegmentRequest
from pytriton_plugins.host.memory.ledger import Budget
from pytriton_plugins.host.metrics.registry import MetricsRegistry, Model
from pytriton_plugins.host.repositories.finding import repository_models
from pytriton_plugins.host.supervision.callers import Callers
from pytriton_plugins.host.supervision.current_server import CurrentServer
from pytriton_plugins.host.supervision.loader import ModelLoader
from pytriton_plugins.host.supervision.plugins import PluginImporter
from pytriton_plugins.host.supervision.served import ServedModels
from pytriton_plugins.host.supervision.supervisor import ModelSupervisor
from pytriton_plugins.host.workers.attached import AttachedWorker
from pytriton_plugins.host.workers.launching import launch_of, worker_hooks
from pytriton_plugins.host.workers.link import number_of
from pytriton_plugins.host.workers.process import WorkerProcess
from pytriton_plugins.host.workers.start_queue import start_queue
from pytriton_plugins.values import ModelStatus, NamedVerdict, Verdict

if TYPE_CHECKING:
    import socket
    from pathlib import Path

    from pytriton_plugins.config.host_config import HostConfig
    from pytriton_plugins.discovery.references import ModelReference
    from pytriton_plugins.hooks.manager import HookManager
    from pytriton_plugins.host.notifier import HookNotifier
    from pytriton_plugins.host.supervision.context import DaemonControl, ServedModel
    from pytriton_plugins.host.supervision.records import PluginRecord
    from pytriton_plugins.host.triton.server import TritonServer
    from pytriton_plugins.host.workers.launching import Launch
    from pytriton_plugins.host.workers.worker import Worker
    from pytriton_plugins.model.declaration import ModelDeclaration
    from pytriton_plugins.shm.wire import LinkMessage


class ModelRegistry:
    """Everything that is served. It is the context of its models' supervisors (`ModelContext`)."""

    def __init__(
        self,
        config: HostConfig,
        hooks: HookManager,
        repository: Path,
        notifier: HookNotifier,
        daemon: DaemonControl,
    ) -> None:
        self.config = config
        self.hooks = hooks
        self.resolver = ModelResolver(config, hooks)
        self.budget = Budget(config.shm_total)
        self.turns = start_queue(config.start_parallelism)
        self._launch_settings = launch_settings(config)
        self.metrics = MetricsRegistry()
        self.models: dict[tuple[str, int], ModelSupervisor] = {}
        self.records: list[PluginRecord] = []
        self.workers: dict[int, Worker] = {}
        self._started: set[int] = set()
        """The numbers of those of which hooks know."""
        self.current_server = CurrentServer()
        self.loader = ModelLoader(config, hooks, repository, self.current_server, self.models)
        self.repositories = repository_models(config, repository, self)
        self.served = ServedModels(config, self.models, self.repositories)
        self.callers = Callers(self.served, self.loader, self.models, self.all_models)
        self.importer = PluginImporter(self.resolver, self.turns, self)
        self._notifier = notifier
        self._daemon = daemon
        self._numbers = itertools.count(1)
        self.changing = asyncio.Lock()
        """Held while models come or go in the middle of serving."""
        self.settled = asyncio.Event()
        """Everything that the daemon was started with has served or failed."""
        self._passing: set[ModelSupervisor] = set()
        """Models that come in the place of one in ``models``, and those that were replaced and finish."""

    @property
    def running(self) -> TritonServer | None:
        """The server; None until the first one runs, and between one that ended and the next."""
        return self.current_server.running

    # For the readiness checks.

    def verdicts(self) -> list[NamedVerdict]:
        """A verdict for each required plugin that is broken, and for each required model."""
        broken = [
            NamedVerdict(f"plugin {record.reference.plugin}", Verdict(False, record.error))
            for record in self.records
            if record.error and record.required
        ]
        own = [NamedVerdict(f"model {one.name}", Verdict(one.ready, one.reason)) for _, one in self.required_models()]
        return [*broken, *own, *self.repositories.verdicts()]

    def required_models(self) -> list[tuple[ModelDeclaration, ModelStatus]]:
        return [
            (model.declaration, model.status())
            for model in self.models.values()
            if model.required and not model.unloaded
        ]

    # Models

    def name_upgrade(self, record: PluginRecord, reference: ModelReference) -> None:
        """Have the record name the plugin as it is installed by now, if one of its models is served from that."""
        if any(model.reference == reference for model in self.models.values()):
            record.reference = reference

    def all_models(self) -> list[ModelSupervisor]:
        """Those that are replaced, and their successors, too."""
        return list({*self.models.values(), *self._passing})

    def start(self, reference: ModelReference, declaration: ModelDeclaration, first: Worker | None) -> None:
        """Have a model served; raises HookError while the host starts."""
        model = ModelSupervisor(self, reference, declaration)
        self.models[declaration.name, declaration.version] = model
        model.start(first)

    async def replace(
        self,
        old: ModelSupervisor,
        reference: ModelReference,
        declaration: ModelDeclaration,
        first: Worker | None,
    ) -> str:
        """Serve a changed declaration in the place of ``old``, which finishes what Triton has given it.

        Returns why not, nothing if it is served; the old one stays then.
        """
        old.mark_replaced(reference.label)
        why_not = await self.admit(reference, declaration, first, {old})
        if why_not:
            old.mark_replaced("")
        return why_not

    async def admit(
        self,
        reference: ModelReference,
        declaration: ModelDeclaration,
        first: Worker | None,
        old: set[ModelSupervisor],
    ) -> str:
        """Serve one more model, in the place of ``old`` if there is one; it counts once it serves. Returns why not."""
        try:
            new = ModelSupervisor(self, reference, declaration)
        except HookError:
            if first is not None:
                first.dismiss()
            raise
        return await self.admit_model(new, first, old)

    async def admit_model(self, new: ModelSupervisor, first: Worker | None, old: set[ModelSupervisor]) -> str:
        """The same for a supervisor that was made."""
        if why_not := self.callers.why_not(new.declaration):
            if first is not None:
                first.dismiss()
            new.cancel()
            return why_not
        self._passing |= {new, *old}
        new.start(first)
        await new.settled()
        if why_not := new.error or new.unserved:
            self._passing -= {new, *old}
            new.cancel()
            return why_not
        self.models[new.name, new.declaration.version] = new
        # Triton holds nothing of one that was not loaded.
        self._passing -= {new, *(model for model in old if not model.loaded)}
        self.changed()
        return ""

    def forget(self, model: ModelSupervisor) -> None:
        """The model is unloaded, and will not come back."""
        model.cancel()
        key = model.name, model.declaration.version
        if self.models.get(key) is model:
            del self.models[key]
        self._passing.discard(model)
        self.changed()

    def server_ended(self) -> None:
        """Everything waits for the next server; what was replaced in this one has nothing to finish there."""
        self.current_server.clear()
        for model in self.all_models():
            if model not in self.models.values() and model.loaded:
                self._passing.discard(model)
                model.retire()
            model.server_ended()
        self.repositories.server_ended()
        self.changed()

    # The context of supervisors.

    def stop(self, reason: str) -> None:
        self._daemon.stop(reason)

    def abort(self, error: BaseException) -> None:
        self._daemon.abort(error)

    def changed(self) -> None:
        self.repositories.wake()
        self.callers.look()
        self._daemon.changed()

    async def server(self) -> TritonServer:
        return await self.current_server.get()

    async def load(self, model: ServedModel, server: TritonServer) -> None:
        """Load the model into Triton; raises ServerError, ServerGone if the server ends."""
        await self.loader.load(model, server, replaces=model in self._passing)

    def new_worker(self, reference: ModelReference, model: ModelDeclaration | None = None) -> WorkerProcess:
        number = next(self._numbers)
        launch = self._launch_of(reference, model, number)
        worker = WorkerProcess(number, reference, launch, self)
        self.workers[number] = worker
        self.on_worker_start(worker)
        return worker

    def attached_worker(self, sock: socket.socket, pid: int) -> AttachedWorker:
        """The worker behind a link that the process ``pid`` has opened; it starts once it has greeted."""
        worker = AttachedWorker(next(self._numbers), sock, pid, self)
        self.workers[worker.number] = worker
        return worker

    def fits(self, worker: WorkerProcess, reference: ModelReference, model: ModelDeclaration) -> bool:
        """Whether a worker that has imported the plugin was started as one for the model would be."""
        return self._launch_of(reference, model, worker.number) == worker.launch

    def _launch_of(self, reference: ModelReference, model: ModelDeclaration | None, number: int) -> Launch:
        """How a worker for the plugin, or for one model of it, is started; raises HookError while the host starts."""
        return launch_of(self._launch_settings, self.hooks, reference, model, number)

    def worker_hooks(self) -> list[dict[str, Any]]:
        """The hook plugins that workers import, as messages to them."""
        return worker_hooks(self._launch_settings, self.hooks)

    def worker_is_ready(self, worker: Worker) -> None:
        self._notifier.notify(self.hooks.on_worker_ready, worker.info)

    # Reports of workers and the backend.

    def on_backend_need(self, message: LinkMessage) -> None:
        model = next((model for model in self.all_models() if model.number == message.model), None)
        if model is not None:
            server = self.running
            assert server is not None
            worker = model.live.worker_of(message.channel)
            request = SegmentRequest(worker.number if worker else 0, message.segment, message.value)
            model.on_need(request, partial(server.answer_need, message.token))

    def on_model_gone(self, message: LinkMessage) -> None:
        """Triton has released a declaration: the workers of one that was replaced are idle for good."""
        for model in self.all_models():
            if model.number == message.model:
                model.gone.set()
        for model in [model for model in self._passing if model.number == message.model and model.loaded]:
            self._passing.discard(model)
            model.retire()

    def on_channel_lost(self, message: LinkMessage) -> None:
        """A worker that broke the protocol or was late is replaced; one that ended is seen by its end as well."""
        for model in self.all_models():
            model.lose(message.channel, late=bool(message.value))

    def on_worker_start(self, worker: Worker) -> None:
        self._started.add(worker.number)
        self._notifier.notify(self.hooks.on_worker_start, worker.info)

    def on_worker_need(self, worker: Worker, message: dict[str, Any]) -> None:
        for model in self.all_models():
            if worker.number in model.live:
                token, size, segment = (number_of(message, key) for key in ("token", "bytes", "segment"))
                request = SegmentRequest(worker.number, segment, size, size, message.get("call") is True)
                model.on_need(request, partial(worker.answer_need, token))

    def on_worker_metrics(self, worker: Worker, message: dict[str, Any]) -> None:
        if worker.model is not None:
            self.metrics.from_worker(Model(worker.model.name, worker.model.version), worker.number, message)

    def on_slot_free(self, worker: Worker, channel: int) -> None:
        for model in self.all_models():
            if worker.number in model.live:
                model.slot_free(worker, channel)

    def on_worker_end(self, worker: Worker) -> None:
        self.workers.pop(worker.number, None)
        self.metrics.worker_gone(worker.number)
        is_known = worker.number in self._started
        self._started.discard(worker.number)
        if worker.exit is not None and is_known:
            self._notifier.notify(self.hooks.on_worker_exit, worker.info, worker.exit)
