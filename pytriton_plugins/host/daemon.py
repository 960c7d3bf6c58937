"""The daemon: its life from its first child to the last exit."""

from __future__ import annotations

import asyncio
import logging
import os
from typing import TYPE_CHECKING, Any

from pytriton_plugins.host.config_parts import server_settings
from pytriton_plugins.host.control.attach_socket import AttachSocket
from pytriton_plugins.host.control.handlers import Handlers
from pytriton_plugins.host.control.repository_commands import RepositoryCommands
from pytriton_plugins.host.control.server import ControlServer
from pytriton_plugins.host.metrics_exporter import MetricsExporter
from pytriton_plugins.host.notifier import HookNotifier
from pytriton_plugins.host.readiness import ReadinessController
from pytriton_plugins.host.reloader import Reloader
from pytriton_plugins.host.shutdown import FAIL_TIMEOUT, STOP_TIMEOUT, Hurry, drain
from pytriton_plugins.host.signals import Signals
from pytriton_plugins.host.startup_report import StartupReport
from pytriton_plugins.host.supervision.admission import Admission
from pytriton_plugins.host.supervision.attaching import Attaching
from pytriton_plugins.host.supervision.records import warn_of_unknown_names
from pytriton_plugins.host.supervision.registry import ModelRegistry
from pytriton_plugins.host.system.child import kill_children
from pytriton_plugins.host.system.network import listening_ports
from pytriton_plugins.host.system.reaper import Reaper
from pytriton_plugins.host.tasks import background, discard, result_unless
from pytriton_plugins.host.triton.repository import CATEGORY
from pytriton_plugins.host.triton.repository_watch import RepositoryWatch
from pytriton_plugins.host.triton.server import TritonServer
from pytriton_plugins.host.triton.supervisor import ServerSupervisor
from pytriton_plugins.host.triton.version_check import check_version
from pytriton_plugins.host.watchdog import Watchdog
from pytriton_plugins.values import HostStatus, NamedVerdict

if TYPE_CHECKING:
    from pytriton_plugins.host.control.paths import HostPaths
    from pytriton_plugins.host.log.recent_errors import RecentErrors
    from pytriton_plugins.host.log.setup import Log
    from pytriton_plugins.host.preflight import PreparedStart
    from pytriton_plugins.host.system.lifeline import Lifeline
    from pytriton_plugins.host.system.run_dir import RunDir
    from pytriton_plugins.model.declaration import ModelDeclaration
    from pytriton_plugins.values import HostState, ModelStatus

_LOG = logging.getLogger("pytriton.host")
_NOTIFY_TIMEOUT = 0.3
"""Seconds that hook plugins get for notifications before the host ends without them."""

_END_TIMEOUT = 0.5
"""Seconds for the end of killed processes, twice: our own, then those that they leave."""


class Daemon:
    """Everything that runs, in one event loop. Calls that may hang have threads of their own: hooks, log, terminal.

    It calls the registry, which calls the supervisors of models. They call back only by the Protocols of
    supervision/context.py; the daemon implements `DaemonControl` for the registry.
    """

    def __init__(
        self, prepared: PreparedStart, paths: HostPaths, run_dir: RunDir, errors: RecentErrors, log: Log
    ) -> None:
        self.config = prepared.config
        self.hooks = prepared.hooks
        self.found = prepared.found
        self.errors = errors
        self._records = prepared.records
        self._ports = prepared.ports
        self._paths = paths
        self._run_dir = run_dir
        self._state: HostState = "starting"
        self._exit_code = 0
        self._servers = ServerSupervisor(self)
        self._notifier = HookNotifier()
        self.readiness = ReadinessController(self)
        self.registry = ModelRegistry(self.config, self.hooks, paths.repository, self._notifier, self)
        self.registry.repositories.use(prepared.repositories)
        self._admission = Admission(self.registry)
        self._exporter = MetricsExporter(self.registry)
        self._export: asyncio.Task[None] | None = None
        self._report = StartupReport(self.registry, log)
        self._commands = RepositoryCommands(self.registry, self._admission, self.found.path)
        self._attach_socket = AttachSocket(paths.folder, Attaching(self.registry, self._admission))
        self._control = ControlServer(paths.folder, Handlers(self, self._commands).commands)

    async def run(self, lifeline: Lifeline | None = None) -> int:
        """Start, serve, stop; the exit code. ``lifeline``: that of the process that started this one, if it has one."""
        self._stop = asyncio.Event()
        self._hurry = Hurry()
        Signals(self)
        self._reaper = Reaper()
        self._aborted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._notifier.notify(self.hooks.on_host_start, self.status())
        try:
            self._control.open()
            if self.config.may_attach:
                self._attach_socket.open()
            if lifeline is not None:
                lifeline.open(self, self._paths.folder)
            return await self._serve()
        finally:
            await self._end_everything()

    async def _serve(self) -> int:
        self.registry.records = self._records
        # Workers first: importing a plugin takes longer than anything else here.
        plugins = [asyncio.create_task(self._admission.start(record)) for record in self._records]
        self._report.begin_progress()
        timeout = STOP_TIMEOUT
        watch: asyncio.Task[int] | None = None
        stop: asyncio.Task[Any] | None = None
        try:
            server = await result_unless(self._stop, self.start_server())
            if server is not None:
                watch = asyncio.create_task(self._watch(server, plugins))
                stop = asyncio.create_task(self._stop.wait())
                await asyncio.wait([watch, stop], return_when=asyncio.FIRST_COMPLETED)
                if watch.done():
                    return watch.result()
                # It goes on: a process that ends while the requests in flight are answered is replaced as ever.
                timeout = await self._drain()
                watch.cancel()
                await asyncio.gather(watch, return_exceptions=True)
        finally:
            self._report.end_progress()
            discard(watch, stop, *plugins)
        await self._shut_down(timeout)
        return self._exit_code

    async def start_server(self) -> TritonServer:
        """Start a tritonserver and connect it; raises ServerError or OSError."""
        settings = server_settings(self.config)
        server = await TritonServer.start(self.found, settings, self._ports, self._paths.folder, self.registry)
        try:
            await check_version(server, settings)
        except BaseException:
            server.child.kill()
            await server.release()
            raise
        self.registry.current_server.set(server)
        self.readiness.attach(server)
        self._export = background(self._exporter.run(server))
        return server

    async def server_ended(self) -> None:
        """Release the server that has ended, and tell the models."""
        server = self.registry.running
        assert server is not None
        self.readiness.attach(None)
        discard(self._export)
        server.link.close()
        self.registry.server_ended()
        await server.release()

    async def _watch(self, server: TritonServer, plugins: list[asyncio.Task[None]]) -> int:
        """Serve until tritonserver has ended too often; then 1. Raises the error that made the start impossible."""
        readiness = asyncio.create_task(self.readiness.run())
        settled = asyncio.create_task(self._announce(plugins))
        reloading = asyncio.create_task(Reloader(self.registry, self._admission).run()) if self.config.reload else None
        ended = asyncio.create_task(self._servers.keep(server))
        watchdog = asyncio.create_task(Watchdog(self.registry).run())
        follows = CATEGORY in self.config.allow
        following = asyncio.create_task(RepositoryWatch(self.registry, self._commands).run()) if follows else None
        waiting: set[asyncio.Future[Any]] = {readiness, settled, ended, watchdog, self._aborted}
        waiting |= {task for task in (reloading, following) if task is not None}
        try:
            while not ended.done():
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for task in done - {ended}:
                    task.result()
            ended.result()
        finally:
            discard(readiness, settled, ended, watchdog, reloading, following)
        return 1

    async def _announce(self, plugins: list[asyncio.Task[None]]) -> None:
        """Once every plugin serves or has failed, show what is served, and why the host is not ready if it is not."""
        await asyncio.gather(*plugins)
        warn_of_unknown_names(self.config, self.registry.records, self.registry.repositories.names)
        await self.registry.callers.settle()
        if self._stop.is_set():
            return
        self._state = "serving"
        self.registry.settled.set()
        self.hooks.now_serving()
        reasons = await self.readiness.next_reasons()
        self._write_addresses()
        self._report.show_models(self.config.address, self._ports, self.listening_ports, reasons)

    def _write_addresses(self) -> None:
        """For programs that started this host on free ports: where it listens."""
        content = {"schema": 1, "pid": os.getpid(), "address": self.config.address, **self.listening_ports}
        try:
            self._run_dir.write_addresses(content)
        except OSError as error:
            _LOG.error("host.json cannot be written: %s; make room in %s", error.strerror, self._paths.folder)

    async def _drain(self) -> float:
        """Not ready, then drain; the seconds that the processes should get for ending by themselves."""
        self._report.end_progress()
        delay = self.config.drain_delay if self._state == "serving" and not self._hurry.is_near else 0.0
        self._attach_socket.close()
        _LOG.info("stopping%s", f"; requests are served for {delay:g} s more" if delay else "")
        self._state = "draining"
        self._notifier.notify(self.hooks.on_host_drain, self.status())
        self.readiness.changed()
        return await drain(self.readiness, self.registry.current_server, delay, self.config.drain_timeout, self._hurry)

    async def _shut_down(self, timeout: float) -> None:
        """End tritonserver and the workers side by side."""
        self._state = "draining"
        if (server := self.registry.running) is not None:
            await server.fail_requests(FAIL_TIMEOUT)
        # Only now: a model that releases its workers fails what they still run.
        for model in self.registry.all_models():
            model.cancel()
        ends = [worker.stop(timeout) for worker in self.registry.workers.values() if worker.running]
        seconds = self._hurry.server_timeout(timeout)
        await asyncio.gather(*ends, *([server.stop(seconds, self._hurry)] if server else []))

    async def _end_everything(self) -> None:
        """In any case nothing that the host or a plugin started outlives it."""
        discard(self._export, self._aborted)
        self.registry.repositories.close()
        self._attach_socket.close()
        self._control.close()
        await kill_children(_END_TIMEOUT)
        await self._reaper.kill_adopted(_END_TIMEOUT)
        self._state = "stopped"
        self._notifier.notify(self.hooks.on_host_stop, self.status())
        if not self._notifier.close(_NOTIFY_TIMEOUT):
            _LOG.warning("a hook plugin did not return within %g s; stopping without it", _NOTIFY_TIMEOUT)

    @property
    def listening_ports(self) -> dict[str, int | None]:
        """The ports by name, None for a protocol that is switched off."""
        return listening_ports(self.config.server_options, self._ports)

    def status(self) -> HostStatus:
        """What hooks see."""
        models = self.registry.served.statuses()
        return HostStatus(models, self._state, self.config.address, self._ports, self._paths.folder)

    # For the control socket.

    @property
    def server_restarts(self) -> int:
        """How many servers were started in the place of one that had ended."""
        return self._servers.restarts

    # For the readiness controller.

    def verdicts(self) -> list[NamedVerdict]:
        server = self.registry.running
        own = [NamedVerdict("tritonserver", server.verdict())] if server is not None else []
        return [*own, *self.registry.verdicts()]

    def required_models(self) -> list[tuple[ModelDeclaration, ModelStatus]]:
        return self.registry.required_models()

    def became_ready(self) -> None:
        self._notifier.notify(self.hooks.on_host_ready, self.status())

    def is_dead(self, reason: str) -> None:
        self.stop(f"not alive: {reason}")

    # For signals, the lifeline and the registry.

    def begin_stop(self) -> None:
        """Stop in order."""
        self._stop.set()

    def orphaned(self) -> None:
        """The process that started the daemon is gone: stop after a short drain."""
        self._hurry.begin_soon("the process that started this daemon has ended")
        self._stop.set()

    def hurry(self) -> None:
        """Do not wait any longer while stopping."""
        self._hurry.begin("a second signal came")

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
        """Have readiness and metrics look now."""
        self._exporter.changed()
        self.readiness.changed()
