"""The daemon's whole life, from the first check to the last exit; runs in the host."""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import signal
from collections.abc import Coroutine
from typing import Any

import attrs

from pytriton_plugins.config import HostConfig
from pytriton_plugins.discovery.catalogue import catalogue
from pytriton_plugins.discovery.entry_points import ModelReference
from pytriton_plugins.errors import ConfigError, DiscoveryError, ServerError
from pytriton_plugins.hooks.manager import HookManager
from pytriton_plugins.host.container import LOOPBACK, in_container
from pytriton_plugins.host.health import Health
from pytriton_plugins.host.locate import FoundServer, find_tritonserver
from pytriton_plugins.host.logs import set_up_logging
from pytriton_plugins.host.plugins import PluginRecord, start_plugin
from pytriton_plugins.host.ports import choose_ports
from pytriton_plugins.host.processes import describe_exit, kill_children
from pytriton_plugins.host.reaper import Reaper
from pytriton_plugins.host.report import Report
from pytriton_plugins.host.repository import add_model, model_config, plain_config
from pytriton_plugins.host.run_dir import RunDir
from pytriton_plugins.host.served_model import ServedModel
from pytriton_plugins.host.stopping import STOP_PATIENCE, stop_taking_work
from pytriton_plugins.host.triton import TritonServer, check_server_options
from pytriton_plugins.host.worker import Worker
from pytriton_plugins.shm.wire import LinkMessage
from pytriton_plugins.values import HostStatus, Ports, ShmPolicy

_LOG = logging.getLogger("pytriton.host")
_END_PATIENCE = 0.5
"""Seconds for the end of killed processes, twice: our own, then those that they leave."""


def run(config: HostConfig) -> int:
    """Serve until a signal says stop; the exit code. Raises PytritonPluginsError when the start is impossible."""
    set_up_logging(config.log_level)
    os.umask(0o077)
    check_server_options(config)
    references = _references(config.targets)
    if not references:
        raise ConfigError(
            "there is nothing to serve: no model plugin is installed; install one, or name a file: "
            "pytriton-host serve model.py"
        )
    hooks = HookManager.installed()
    found = find_tritonserver(config.tritonserver, hooks)
    ports = choose_ports(config, hooks)
    if config.address in LOOPBACK and in_container():
        _LOG.warning(
            "listening on %s only: nothing outside this container can reach it; add --address 0.0.0.0", config.address
        )
    run_dir = RunDir(config.run_dir)
    try:
        return asyncio.run(Host(config, hooks, found, ports, run_dir).live(references))
    finally:
        run_dir.remove()


def _references(targets: tuple[str, ...]) -> list[ModelReference]:
    try:
        return catalogue(targets)
    except DiscoveryError as error:
        raise ConfigError(str(error)) from error


class Host:
    """Everything that runs, and how it hangs together. One event loop, no threads but the health checks' one."""

    def __init__(
        self, config: HostConfig, hooks: HookManager, found: FoundServer, ports: Ports, run_dir: RunDir
    ) -> None:
        self.config = config
        self.hooks = hooks
        self.models: dict[tuple[str, int], ServedModel] = {}
        self.records: list[PluginRecord] = []
        self._found = found
        self._ports = ports
        self._run_dir = run_dir
        self._workers: dict[int, Worker] = {}
        self._numbers = itertools.count(1)
        self._state: Any = "starting"
        self._health: Health | None = None
        self._load_locks: dict[str, asyncio.Lock] = {}

    async def live(self, references: list[ModelReference]) -> int:
        """Start, serve, stop; the exit code."""
        self._stop = asyncio.Event()
        self._kill = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal, number)
        self._reaper = Reaper()
        self._started: asyncio.Future[TritonServer] = loop.create_future()
        try:
            return await self._serve(references)
        finally:
            await self._end_everything()

    async def _serve(self, references: list[ModelReference]) -> int:
        report = Report(self)
        self.records = [PluginRecord(reference) for reference in references]
        # Workers first: importing a plugin takes longer than anything else here.
        plugins = [asyncio.create_task(start_plugin(self, record)) for record in self.records]
        progress = asyncio.create_task(report.show_progress())
        server: TritonServer | None = None
        try:
            server = await self._until_stop(self._start_server())
            if server is not None:
                ended: int | None = await self._until_stop(self._watch(server, plugins, report))
                if ended is not None:
                    return ended
            _LOG.info("stopping")
        finally:
            progress.cancel()
            for task in plugins:
                task.cancel()
        await self._shut_down(server)
        return 0

    async def _start_server(self) -> TritonServer:
        server = await TritonServer.start(
            self._found, self.config, self._ports, self._run_dir.path, self._on_backend_need, self._on_channel_lost
        )
        self._started.set_result(server)
        self._health = Health(server, self.hooks, self.status, self.reasons)
        return server

    async def _watch(self, server: TritonServer, plugins: list[asyncio.Task[None]], report: Report) -> int:
        """Serve until tritonserver ends; then 1. Raises what made the start impossible."""
        assert self._health is not None
        health = asyncio.create_task(self._health.run())
        settled = asyncio.create_task(self._announce(plugins, report))
        ended = asyncio.create_task(server.child.wait())
        waiting = {health, settled, ended}
        try:
            while not ended.done():
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for task in done - {ended}:
                    task.result()
            status = ended.result()
        finally:
            for task in (health, settled, ended):
                task.cancel()
        _LOG.error("tritonserver ended with %s; %s", describe_exit(status), server.said())
        return 1

    async def _announce(self, plugins: list[asyncio.Task[None]], report: Report) -> None:
        """Say what is served once every plugin serves or has failed, and what holds readiness back if anything does."""
        assert self._health is not None
        await asyncio.gather(*plugins)
        await asyncio.gather(*[model.settled() for model in self.models.values()])
        self._state = "serving"
        self.hooks.now_serving()
        reasons = await self._health.next_reasons()
        self._write_addresses()
        report.show_models(self._ports, reasons)

    def _write_addresses(self) -> None:
        """For programs that started this host on free ports: where it listens."""
        content = {"schema": 1, "pid": os.getpid(), "address": self.config.address, **attrs.asdict(self._ports)}
        self._run_dir.write_addresses(content)

    async def _until_stop(self, work: Coroutine[Any, Any, Any]) -> Any:
        """The result of ``work``, or None when a signal came first."""
        task = asyncio.ensure_future(work)
        stop = asyncio.ensure_future(self._stop.wait())
        try:
            await asyncio.wait([task, stop], return_when=asyncio.FIRST_COMPLETED)
            return await task if task.done() else None
        finally:
            stop.cancel()
            if not task.done():
                task.cancel()
                await asyncio.wait([task])

    async def _shut_down(self, server: TritonServer | None) -> None:
        """Not ready, drain, then end tritonserver and the workers side by side."""
        self._state = "draining"
        patience = STOP_PATIENCE
        if server is not None and self._health is not None:
            patience = await stop_taking_work(server, self._health, self.config.drain_timeout, self._kill)
        # Only now: a model that lets go of its workers fails what they still run.
        for model in self.models.values():
            model.cancel()
        ends = [worker.stop(patience) for worker in self._workers.values() if worker.child.running]
        await asyncio.gather(*ends, *([server.stop(patience)] if server else []))

    async def _end_everything(self) -> None:
        """Whatever happened, nothing that the host or a plugin started outlives it."""
        await kill_children(_END_PATIENCE)
        await self._reaper.kill_adopted(_END_PATIENCE)

    def _on_signal(self, number: int) -> None:
        if self._stop.is_set():
            _LOG.warning("%s again: not waiting any longer", signal.Signals(number).name)
            self._kill.set()
        self._stop.set()

    def status(self) -> HostStatus:
        """What hooks see."""
        models = sorted(self.models.values(), key=lambda model: (model.name, model.declaration.version))
        return HostStatus(tuple(model.status() for model in models), self._state)

    def reasons(self) -> list[str]:
        """Why the host itself is not ready; empty when it is."""
        if self._state != "serving":
            return [self._state]
        broken = [
            f"plugin {record.reference.plugin}: {record.error}"
            for record in self.records
            if record.error and record.required
        ]
        models = [
            f"model {model.name}: {status.reason}"
            for model in self.models.values()
            if model.required and not (status := model.status()).ready
        ]
        return broken + models

    # What models need of their host.

    async def server(self) -> TritonServer:
        return await asyncio.shield(self._started)

    def new_worker(self, reference: ModelReference) -> Worker:
        def forget(ended: Worker) -> None:
            self._workers.pop(ended.number, None)

        worker = Worker(next(self._numbers), reference, self._on_worker_need, forget)
        self._workers[worker.number] = worker
        return worker

    def untouched_memory(self) -> int:
        return sum(model.ledger.untouched for model in self.models.values())

    def policy_of(self, model: Any) -> ShmPolicy:
        default = ShmPolicy(initial=self.config.shm_initial, max=self.config.shm_max)
        chosen = self.hooks.choose_shm_policy(model, default).value
        fixed = {name: getattr(default, name) for name in ("initial", "max") if f"shm_{name}" in self.config.fixed}
        return attrs.evolve(chosen, **fixed)

    async def load(self, model: ServedModel) -> None:
        """Load the model into Triton, with every version of its name that has a worker."""
        async with self._load_locks.setdefault(model.name, asyncio.Lock()):
            loaded = [other for other in self.models.values() if other.name == model.name and other.loaded]
            versions = {other.declaration.version for other in (*loaded, model)}
            workers = max(other.worker_count for other in (*loaded, model))
            add_model(self._run_dir.path / "repository", model.declaration)
            config = model_config(model.declaration, workers, tuple(sorted(versions)))
            server = await self.server()
            try:
                await server.load(model.name, config, self.config.load_timeout)
            except ServerError:
                if versions == {model.declaration.version}:
                    await server.forget(model.name, plain_config(model.declaration), self.config.load_timeout)
                raise

    def changed(self) -> None:
        if self._health is not None:
            self._health.changed()

    # What the links ask for.

    def _on_backend_need(self, message: LinkMessage) -> None:
        model = next((model for model in self.models.values() if model.number == message.model), None)
        if model is not None:
            self._started.result().answer_need(
                message.token, model.on_need(message.channel, message.segment, message.value)
            )

    def _on_worker_need(self, worker: Worker, message: dict[str, Any]) -> None:
        for model in self.models.values():
            channel = model.channel_of(worker)
            if channel:
                worker.answer_need(message["token"], model.on_need(channel, message["segment"], message["bytes"]))

    def _on_channel_lost(self, message: LinkMessage) -> None:
        """A worker that broke the protocol is replaced; one that ended is seen by its end as well."""
        for model in self.models.values():
            worker = model.live.get(message.channel)
            if worker is not None:
                worker.kill()
