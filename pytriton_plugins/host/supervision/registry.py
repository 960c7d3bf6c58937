"""The plugins, models and workers of one host, and what they and the links ask of it; runs in the host's event loop."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from pytriton_plugins.config.host_config import HostConfig
from pytriton_plugins.config.resolver import ModelResolver
from pytriton_plugins.discovery.references import ModelReference
from pytriton_plugins.errors import HookError, ProtocolError, ServerError, ServerGone
from pytriton_plugins.hooks.manager import HookManager
from pytriton_plugins.host.config_parts import launch_settings
from pytriton_plugins.host.memory.allocator import SegmentRequest
from pytriton_plugins.host.memory.ledger import Budget
from pytriton_plugins.host.metrics.registry import MetricsRegistry, Model
from pytriton_plugins.host.notifier import Teller
from pytriton_plugins.host.supervision.plugins import PluginRecord
from pytriton_plugins.host.supervision.supervisor import ServedModel
from pytriton_plugins.host.supervision.triton_config import TritonConfigs
from pytriton_plugins.host.timeouts import within
from pytriton_plugins.host.triton.options import has_cache
from pytriton_plugins.host.triton.repository import CATEGORY, add_model, plain_config, write_config
from pytriton_plugins.host.triton.server import TritonServer
from pytriton_plugins.host.workers.launching import Launch, launch_of, worker_hooks
from pytriton_plugins.host.workers.process import WorkerProcess
from pytriton_plugins.host.workers.start_queue import imported, start_queue
from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.shm.wire import LinkMessage
from pytriton_plugins.values import ModelStatus, NamedVerdict, Verdict

RELOADED = "pytriton_reloaded"
"""Parameter in the configuration of a model that came in the place of another."""


class Roster:
    """Everything that is served. ``stop`` ends the host in order with a reason, ``abort`` its start with an error."""

    def __init__(
        self,
        config: HostConfig,
        hooks: HookManager,
        repository: Path,
        teller: Teller,
        stop: Callable[[str], None],
        abort: Callable[[BaseException], None],
        changed: Callable[[], None],
    ) -> None:
        """``changed`` is called when something may be ready that was not, or the other way round."""
        self.config = config
        self.hooks = hooks
        self.resolver = ModelResolver(config, hooks)
        self.budget = Budget(config.shm_total)
        self.turns = start_queue(config.start_parallelism)
        self._launch_settings = launch_settings(config)
        self._configs = TritonConfigs(hooks, has_cache=has_cache(config.server_options), reloads=config.reload)
        self.metrics = MetricsRegistry()
        self.models: dict[tuple[str, int], ServedModel] = {}
        self.records: list[PluginRecord] = []
        self.workers: dict[int, WorkerProcess] = {}
        self.stop = stop
        self.abort = abort
        self.changed = changed
        self._repository = repository
        self._teller = teller
        self._numbers = itertools.count(1)
        self.changing = asyncio.Lock()
        """Held while models come or go in the middle of serving."""
        self._load_locks: dict[str, asyncio.Lock] = {}
        self._passing: set[ServedModel] = set()
        """Models that come in the place of one in ``models``, and those that were replaced and finish."""
        self._started: asyncio.Future[TritonServer] | None = None

    @property
    def started(self) -> asyncio.Future[TritonServer]:
        """The server, once it runs; after its end, the next one."""
        if self._started is None:
            self._started = asyncio.get_running_loop().create_future()
        return self._started

    @property
    def running(self) -> TritonServer | None:
        """The server; None until the first one runs, and between one that ended and the next."""
        return self.started.result() if self.started.done() else None

    # What the health checks need.

    def verdicts(self) -> list[NamedVerdict]:
        """Of each required plugin that is broken, and of each required model."""
        broken = [
            NamedVerdict(f"plugin {record.reference.plugin}", Verdict(False, record.error))
            for record in self.records
            if record.error and record.required
        ]
        return broken + [
            NamedVerdict(f"model {status.name}", Verdict(status.ready, status.reason))
            for _, status in self.required_models()
        ]

    def required_models(self) -> list[tuple[ModelDeclaration, ModelStatus]]:
        return [
            (model.declaration, model.status())
            for model in self.models.values()
            if model.required and not model.unloaded
        ]

    # What models need of their host.

    async def server(self) -> TritonServer:
        return await asyncio.shield(self.started)

    def server_ended(self) -> None:
        """Everything waits for the next server; what was replaced in this one has nothing to finish there."""
        self._started = None
        for model in self.all_models():
            if model not in self.models.values() and model.loaded:
                self._passing.discard(model)
                model.retire()
            model.server_ended()
        self.changed()

    def new_worker(self, reference: ModelReference, model: ModelDeclaration | None = None) -> WorkerProcess:
        number = next(self._numbers)
        launch = self.launch_of(reference, model, number)
        worker = WorkerProcess(number, reference, launch, self)
        self.workers[number] = worker
        self._teller.tell(self.hooks.on_worker_start, worker.info)
        return worker

    async def imported(
        self, record: PluginRecord, reference: ModelReference | None = None
    ) -> tuple[WorkerProcess, list[ModelDeclaration]]:
        """A worker that has imported the plugin, and what that holds; raises WorkerFailed, OSError or HookError.

        ``reference``: the plugin as it is installed by now, if that is not the record's.
        """
        plugin, timeout = reference or record.reference, self.config.import_timeout
        return await imported(self.turns, record, lambda: self.new_worker(plugin), timeout)

    def launch_of(self, reference: ModelReference, model: ModelDeclaration | None, number: int) -> Launch:
        """How a worker for the plugin, or for one model of it, is started; raises HookError while the host starts."""
        return launch_of(self._launch_settings, self.hooks, reference, model, number)

    def worker_hooks(self) -> list[dict[str, Any]]:
        """The hook plugins that workers import, as they are told of them."""
        return worker_hooks(self._launch_settings, self.hooks)

    def worker_is_ready(self, worker: WorkerProcess) -> None:
        self._teller.tell(self.hooks.on_worker_ready, worker.info)

    def on_worker_end(self, worker: WorkerProcess) -> None:
        self.workers.pop(worker.number, None)
        self.metrics.worker_gone(worker.number)
        if worker.exit is not None:
            self._teller.tell(self.hooks.on_worker_exit, worker.info, worker.exit)

    def all_models(self) -> list[ServedModel]:
        """Those that are replaced, and their successors, too."""
        return list({*self.models.values(), *self._passing})

    async def replace(
        self, old: ServedModel, reference: ModelReference, declaration: ModelDeclaration, first: WorkerProcess | None
    ) -> str:
        """Serve a changed declaration in the place of ``old``, which finishes what Triton has given it.

        Returns why not, nothing if it is served; the old one stays then.
        """
        return await self.admit(reference, declaration, first, {old})

    async def admit(
        self,
        reference: ModelReference,
        declaration: ModelDeclaration,
        first: WorkerProcess | None,
        old: set[ServedModel],
    ) -> str:
        """Serve one more model, in the place of ``old`` if there is one; it counts once it serves. Returns why not."""
        try:
            new = ServedModel(self, reference, declaration)
        except HookError:
            if first is not None:
                first.dismiss()
            raise
        self._passing |= {new, *old}
        new.start(first)
        await new.settled()
        if new.error:
            self._passing -= {new, *old}
            new.cancel()
            return new.error
        self.models[declaration.name, declaration.version] = new
        # Of one that was not loaded there is nothing that Triton could let go of.
        self._passing -= {new, *(model for model in old if not model.loaded)}
        self.changed()
        return ""

    def loading(self, name: str) -> asyncio.Lock:
        """Held while Triton loads or unloads something of that name for us."""
        return self._load_locks.setdefault(name, asyncio.Lock())

    async def unload(self, model: ServedModel) -> None:
        """Have Triton let go of a model that no request runs on; the other versions of its name stay."""
        async with self.loading(model.name):
            server, timeout = await self.server(), self.config.load_timeout
            if not model.loaded:
                return
            named = [each for each in self.models.values() if each.name == model.name]
            others = [each for each in named if each.loaded and each is not model]
            if others:
                await server.load(model.name, self._configs.of(others), timeout)
            else:
                await server.control.unload(model.name, timeout=timeout)
            try:
                await within(model.gone.wait(), timeout)
            except TimeoutError:
                raise ServerError(f"Triton has not let go of model {model.name} within {timeout:g} s") from None
            model.loaded = False

    async def load(self, model: ServedModel, server: TritonServer) -> None:
        """Load the model into Triton, with every version of its name that has a worker; ServerGone if it ends."""
        async with self.loading(model.name):
            loaded = [other for other in self.models.values() if other.name == model.name and other.loaded]
            add_model(self._repository, model.declaration)
            config = self._configs.of([model, *loaded])
            if model in self._passing:
                # Triton passes over a load whose configuration is the one that it has.
                config["parameters"] = {**config.get("parameters", {}), RELOADED: {"string_value": str(model.number)}}
            try:
                if CATEGORY in self.config.allow:
                    write_config(self._repository, model.name, config)
                await server.load(model.name, config, self.config.load_timeout)
            except ServerGone:
                raise
            except ServerError as error:
                if not loaded:
                    await server.forget(model.name, plain_config(model.declaration), self.config.load_timeout)
                raise ServerError(f"plugin {model.reference.label}: {error}") from None

    # What the links ask for.

    def on_backend_need(self, message: LinkMessage) -> None:
        model = next((model for model in self.all_models() if model.number == message.model), None)
        if model is not None:
            server = self.started.result()
            worker = model.live.worker_of(message.channel)
            request = SegmentRequest(worker.number if worker else 0, message.segment, message.value)
            model.on_need(request, partial(server.answer_need, message.token))

    def on_worker_need(self, worker: WorkerProcess, message: dict[str, Any]) -> None:
        for model in self.all_models():
            if worker.number in model.live:
                token, size, segment = (message[key] for key in ("token", "bytes", "segment"))
                if not all(type(number) is int and 0 <= number < 1 << 62 for number in (token, size, segment)):
                    raise ProtocolError("it needs memory without a size, or of a segment without a number")
                request = SegmentRequest(worker.number, segment, size, beside=size)
                model.on_need(request, partial(worker.answer_need, token))

    def on_worker_metrics(self, worker: WorkerProcess, message: dict[str, Any]) -> None:
        if worker.model is not None:
            self.metrics.from_worker(Model(worker.model.name, worker.model.version), worker.number, message)

    def on_model_gone(self, message: LinkMessage) -> None:
        """Triton has let go of a declaration: the workers of one that was replaced have nothing to do any more."""
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
