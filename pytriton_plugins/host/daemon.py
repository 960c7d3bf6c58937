"""The daemon's life from its first child to the last exit; runs in the host."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Coroutine
from typing import Any

from pytriton_plugins.config.host_config import HostConfig
from pytriton_plugins.hooks.manager import HookManager
from pytriton_plugins.host.config_parts import server_settings
from pytriton_plugins.host.control.handlers import Answering
from pytriton_plugins.host.control.server import ControlSocket
from pytriton_plugins.host.log.recent_errors import RecentErrors
from pytriton_plugins.host.log.setup import Log
from pytriton_plugins.host.metrics_exporter import Gauges, keep_told
from pytriton_plugins.host.notifier import Teller
from pytriton_plugins.host.readiness import Health
from pytriton_plugins.host.reloader import Reloader
from pytriton_plugins.host.shutdown import FAIL_PATIENCE, STOP_PATIENCE, stop_taking_work
from pytriton_plugins.host.signals import Signals
from pytriton_plugins.host.startup_report import Report
from pytriton_plugins.host.supervision.plugins import PluginRecord, start_plugin, warn_of_unknown_names
from pytriton_plugins.host.supervision.registry import Roster
from pytriton_plugins.host.system.child import kill_children
from pytriton_plugins.host.system.network import listening_ports
from pytriton_plugins.host.system.reaper import Reaper
from pytriton_plugins.host.system.run_dir import RunDir
from pytriton_plugins.host.tasks import background, let_go
from pytriton_plugins.host.triton.locate import FoundServer
from pytriton_plugins.host.triton.repository import CATEGORY
from pytriton_plugins.host.triton.repository_watch import RepositoryWatch
from pytriton_plugins.host.triton.server import TritonServer
from pytriton_plugins.host.triton.supervisor import ServerSupervisor
from pytriton_plugins.host.triton.version_check import check_version
from pytriton_plugins.host.watchdog import Heartbeat
from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.values import (
    HostState,
    HostStatus,
    ModelStatus,
    NamedVerdict,
    Ports,
)

_LOG = logging.getLogger("pytriton.host")
_TELL_PATIENCE = 0.3
"""Seconds that hook plugins get for what they were told before the host ends without them."""

_END_PATIENCE = 0.5
"""Seconds for the end of killed processes, twice: our own, then those that they leave."""


class Host:
    """Everything that runs, and how it hangs together, in one event loop. What may hang has a thread of its own: hooks
    that are asked or told something, and what is written to the log and the terminal.
    """

    def __init__(
        self,
        config: HostConfig,
        hooks: HookManager,
        found: FoundServer,
        ports: Ports,
        run_dir: RunDir,
        errors: RecentErrors,
        log: Log,
    ) -> None:
        self.config = config
        self.hooks = hooks
        self.errors = errors
        self.found = found
        self._ports = ports
        self._run_dir = run_dir
        self._state: HostState = "starting"
        self.health = Health(self)
        self._server_supervisor = ServerSupervisor(self)
        self._telling: asyncio.Task[None] | None = None
        self._teller = Teller()
        self._exit_code = 0
        repository = run_dir.path / "repository"
        self.roster = Roster(config, hooks, repository, self._teller, self.stop, self.abort, self.changed)
        self._gauges = Gauges(self.roster.metrics, self.roster.all_models)
        self._report = Report(self.roster, log)
        self._control = ControlSocket(run_dir.path, Answering(self).commands)
        self.settled = False
        """Whether everything that it was started with has served or failed."""

    async def live(self, records: list[PluginRecord]) -> int:
        """Start, serve, stop; the exit code."""
        self._stop = asyncio.Event()
        self._kill = asyncio.Event()
        loop = asyncio.get_running_loop()
        Signals(self._stop.set, self._kill.set, self.stop)
        self._reaper = Reaper()
        self._aborted: asyncio.Future[None] = loop.create_future()
        self._teller.tell(self.hooks.on_host_start, self.status())
        try:
            await self._control.open()
            return await self._serve(records)
        finally:
            await self._end_everything()

    async def _serve(self, records: list[PluginRecord]) -> int:
        self.roster.records = records
        # Workers first: importing a plugin takes longer than anything else here.
        plugins = [asyncio.create_task(start_plugin(self.roster, record)) for record in records]
        self._report.begin_progress()
        patience = STOP_PATIENCE
        watch: asyncio.Task[int] | None = None
        stop: asyncio.Task[Any] | None = None
        try:
            server = await self._until_stop(self.start_server())
            if server is not None:
                watch = asyncio.create_task(self._watch(server, plugins))
                stop = asyncio.create_task(self._stop.wait())
                await asyncio.wait([watch, stop], return_when=asyncio.FIRST_COMPLETED)
                if watch.done():
                    return watch.result()
                # It goes on: whoever ends while the requests in flight are answered is replaced as ever.
                patience = await self._stop_taking_work()
                watch.cancel()
                await asyncio.gather(watch, return_exceptions=True)
        finally:
            self._report.end_progress()
            let_go(watch, stop, *plugins)
        await self._shut_down(patience)
        return self._exit_code

    async def start_server(self) -> TritonServer:
        settings = server_settings(self.config)
        server = await TritonServer.start(
            self.found,
            settings,
            self._ports,
            self._run_dir.path,
            self.roster,
        )
        try:
            await check_version(server, settings)
        except BaseException:
            server.child.kill()
            await server.release()
            raise
        self.roster.started.set_result(server)
        self.health.attach(server)
        self._telling = background(keep_told(server, self.roster.metrics, self._gauges))
        return server

    async def server_ended(self) -> None:
        server = self.roster.started.result()
        self.health.attach(None)
        let_go(self._telling)
        server.link.close()
        self.roster.server_ended()
        await server.release()

    async def _watch(self, server: TritonServer, plugins: list[asyncio.Task[None]]) -> int:
        """Serve until tritonserver has ended too often; then 1. Raises what made the start impossible."""
        health = asyncio.create_task(self.health.run())
        settled = asyncio.create_task(self._announce(plugins))
        reloading = asyncio.create_task(Reloader(self.roster).run()) if self.config.reload else None
        ended = asyncio.create_task(self._server_supervisor.keep(server))
        heartbeat = asyncio.create_task(Heartbeat(self.roster).run())
        follows = CATEGORY in self.config.allow
        following = asyncio.create_task(RepositoryWatch(self.roster).run()) if follows else None
        waiting: set[asyncio.Future[Any]] = {health, settled, ended, heartbeat, self._aborted}
        waiting |= {task for task in (reloading, following) if task is not None}
        try:
            while not ended.done():
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for task in done - {ended}:
                    task.result()
            ended.result()
        finally:
            let_go(health, settled, ended, heartbeat, reloading, following)
        return 1

    async def _announce(self, plugins: list[asyncio.Task[None]]) -> None:
        """Say what is served once every plugin serves or has failed, and what holds readiness back if anything does."""
        await asyncio.gather(*plugins)
        warn_of_unknown_names(self.config, self.roster.records)
        await asyncio.gather(*[model.settled() for model in self.roster.models.values()])
        if self._stop.is_set():
            return
        self._state, self.settled = "serving", True
        self.hooks.now_serving()
        reasons = await self.health.next_reasons()
        self._write_addresses()
        self._report.show_models(self.config.address, self._ports, self.listening_ports, reasons)

    def _write_addresses(self) -> None:
        """For programs that started this host on free ports: where it listens."""
        content = {"schema": 1, "pid": os.getpid(), "address": self.config.address, **self.listening_ports}
        try:
            self._run_dir.write_addresses(content)
        except OSError as error:
            _LOG.error("host.json cannot be written: %s; make room in %s", error.strerror, self._run_dir.path)

    async def _until_stop(self, work: Coroutine[Any, Any, Any]) -> Any:
        """The result of ``work``, or None when a signal came first."""
        task = asyncio.ensure_future(work)
        stop = asyncio.ensure_future(self._stop.wait())
        try:
            await asyncio.wait([task, stop], return_when=asyncio.FIRST_COMPLETED)
            return await task if task.done() else None
        finally:
            let_go(stop)
            if not task.done():
                let_go(task)
                await asyncio.wait([task])

    async def _stop_taking_work(self) -> float:
        """Not ready, then drain; the seconds that the processes should get for ending by themselves."""
        self._report.end_progress()
        delay = self.config.drain_delay if self._state == "serving" else 0.0
        _LOG.info("stopping%s", f"; requests are served for {delay:g} s more" if delay else "")
        self._state = "draining"
        self._teller.tell(self.hooks.on_host_drain, self.status())
        self.health.changed()
        return await stop_taking_work(
            self.health, lambda: self.roster.running, delay, self.config.drain_timeout, self._kill
        )

    async def _shut_down(self, patience: float) -> None:
        """End tritonserver and the workers side by side."""
        self._state = "draining"
        server = self.roster.running
        if server is not None:
            await server.fail_requests(FAIL_PATIENCE)
        # Only now: a model that lets go of its workers fails what they still run.
        for model in self.roster.all_models():
            model.cancel()
        ends = [worker.stop(patience) for worker in self.roster.workers.values() if worker.child.running]
        await asyncio.gather(*ends, *([server.stop(patience, self._kill)] if server else []))

    async def _end_everything(self) -> None:
        """Whatever happened, nothing that the host or a plugin started outlives it."""
        let_go(self._telling, self._aborted)
        self._control.close()
        await kill_children(_END_PATIENCE)
        await self._reaper.kill_adopted(_END_PATIENCE)
        self._state = "stopped"
        self._teller.tell(self.hooks.on_host_stop, self.status())
        if not self._teller.close(_TELL_PATIENCE):
            _LOG.warning("a hook plugin had not returned after %g s and was not waited for", _TELL_PATIENCE)

    @property
    def listening_ports(self) -> dict[str, int | None]:
        """The ports by name, None for a protocol that is switched off."""
        return listening_ports(self.config.server_options, self._ports)

    def status(self) -> HostStatus:
        """What hooks see."""
        models = sorted(self.roster.models.values(), key=lambda model: (model.name, model.declaration.version))
        statuses = tuple(model.status() for model in models)
        return HostStatus(statuses, self._state, self.config.address, self._ports, self._run_dir.path)

    # What the control socket asks.

    @property
    def server_restarts(self) -> int:
        """How many servers were started in the place of one that had ended."""
        return self._server_supervisor.restarts

    # What the health checks need of their host.

    def verdicts(self) -> list[NamedVerdict]:
        server = self.roster.running
        own = [NamedVerdict("tritonserver", server.verdict())] if server is not None else []
        return [*own, *self.roster.verdicts()]

    def required_models(self) -> list[tuple[ModelDeclaration, ModelStatus]]:
        return self.roster.required_models()

    def became_ready(self) -> None:
        self._teller.tell(self.hooks.on_host_ready, self.status())

    def is_dead(self, reason: str) -> None:
        self.stop(f"not alive: {reason}")

    # What the roster needs.

    def stop(self, reason: str) -> None:
        """Stop in order, with exit code 1."""
        if not self._stop.is_set():
            _LOG.error("%s", reason)
            self._exit_code = 1
            self._stop.set()

    def abort(self, error: BaseException) -> None:
        """End the start with ``error``."""
        if not self._aborted.done():
            self._aborted.set_exception(error)

    def changed(self) -> None:
        """Have the health checks and the gauges look now."""
        self._gauges.changed()
        self.health.changed()
