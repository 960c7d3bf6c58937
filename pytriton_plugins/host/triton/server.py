"""One tritonserver process: its links, models and gate."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import secrets
import signal
import sys
from pathlib import Path
from typing import Any

from pytriton_plugins.errors import NoThreadsLeft, ServerError
from pytriton_plugins.host.memory.ledger import Grant
from pytriton_plugins.host.system.child import Child, describe_exit
from pytriton_plugins.host.system.network import called_at, host_port, listening_ports
from pytriton_plugins.host.system.resource_limits import lack_of_descriptors, server_stack
from pytriton_plugins.host.tasks import discard
from pytriton_plugins.host.timeouts import within
from pytriton_plugins.host.triton.backend_link import ANSWER_TIMEOUT, BackendLink, BackendListener, inherited_by
from pytriton_plugins.host.triton.backends import BACKENDS, joined_backends
from pytriton_plugins.host.triton.grpc_control import GrpcControl
from pytriton_plugins.host.triton.locate import FoundServer, cannot_be_run
from pytriton_plugins.host.triton.options import SECRET_HEADER, ServerSettings, command_line, exit_seconds
from pytriton_plugins.host.triton.output import GATE_CLOSED, ServerOutput, front_end_failure
from pytriton_plugins.host.triton.repository import BACKEND, CATEGORY, GATES, create_repository
from pytriton_plugins.shm.long import sealed_file
from pytriton_plugins.shm.wire import LINK_HEADER, MAX_MESSAGE, LinkKind, LinkMessage
from pytriton_plugins.values import Ports, Verdict

_LOG = logging.getLogger("pytriton.tritonserver")
_END_TIMEOUT = 1.0
"""Seconds for the end of a process whose link broke: its end says more than the link's."""

_LINE_TIMEOUT = 0.2
"""Seconds for the line of the log that belongs to an answer."""

_POLL_INTERVAL = 0.5
"""Seconds between two looks whether a load has the threads that it needs."""

_UNLOAD_TIMEOUT = 0.5
"""Seconds for unloading the models of a server that ends, none of which has a request."""

_MAX_LAST_LINES = 12
"""The whole backtrace of a crash, because its first calls show the library with the mistake."""

_ARENAS = "MALLOC_ARENA_MAX"
"""One for each processor. With glibc's own limit of 8 what it keeps goes on growing for as long as the server runs, in
steps also with 2, while the speed is the same (benchmarks/README.md). An operator's own value stays.
"""
LIBRARY = BACKENDS / BACKEND / f"libtriton_{BACKEND}.so"


class TritonServer:
    """A running tritonserver. It is ready only while the gate is open, and ends with the host."""

    def __init__(self, link: BackendLink, child: Child, ports: Ports, settings: ServerSettings, secret: str) -> None:
        self.link = link
        self.child = child
        self.host = called_at(settings.address)
        self.metrics_port = listening_ports(settings.options, ports)["metrics"]
        self.url = host_port(self.host, ports.grpc)
        self._secret = secret
        self._exit_seconds = exit_seconds(settings.options)
        self._is_shared = CATEGORY in settings.allow
        """Clients may load and unload models as well."""
        self._control: GrpcControl | None = None
        self._gate_lock = asyncio.Lock()
        self._gate, self._other_gate = GATES

    @classmethod
    async def start(
        cls,
        found: FoundServer,
        settings: ServerSettings,
        ports: Ports,
        run_dir: Path,
        listener: BackendListener,
    ) -> TritonServer:
        """Start ``found`` with a closed gate; raises ServerError with the server's last lines when it ends at once."""
        if not LIBRARY.is_file():
            raise ServerError(
                f"the compiled backend is missing at {LIBRARY}: these files were not installed; "
                f"run '{sys.executable} -m pip install .' in the checkout, and start the installed program"
            )
        try:
            create_repository(run_dir / "repository")
            backends = joined_backends(found.path, run_dir)
        except OSError as error:
            raise ServerError(
                f"run directory {run_dir}: {error.strerror}; make room there, or name another with --run-dir"
            ) from None
        secret = secrets.token_hex(16)
        command = command_line(found, settings, ports, run_dir / "repository", secret, backends)
        _LOG.info("starting %s, %s", found.path, found.source)
        link = BackendLink(listener)
        try:
            child = _started(command, link)
        except OSError as error:
            link.close()
            raise cannot_be_run(found.path, error) from None
        server = cls(link, child, ports, settings, secret)
        try:
            await server._first_answer(settings.load_timeout)
        except BaseException:
            child.kill()
            link.close()
            raise
        return server

    async def _first_answer(self, timeout: float) -> None:
        hello = asyncio.ensure_future(self.link.hello(1, timeout))
        ended = asyncio.ensure_future(self.child.wait())
        try:
            await asyncio.wait([hello, ended], return_when=asyncio.FIRST_COMPLETED)
            if not ended.done() and hello.exception() is not None:
                await asyncio.wait([ended], timeout=_END_TIMEOUT)
            if not ended.done():
                await hello
                return
        finally:
            discard(hello, ended)
        raise ServerError(f"tritonserver ended at its start with {describe_exit(ended.result())}; {self.last_words()}")

    def last_words(self) -> str:
        """Its last lines, or its complaint about an option, which its help follows, or about a front end."""
        if complaint := front_end_failure([*self.child.first_lines, *self.child.last_lines]):
            return f"it said: {complaint}"
        if self.child.first_lines[1:2] == ["Usage: tritonserver [options]"]:
            return f"it said: {self.child.first_lines[0]}"
        return "its last lines: " + (" / ".join(list(self.child.last_lines)[-_MAX_LAST_LINES:]) or "none")

    @property
    def control(self) -> GrpcControl:
        if self._control is None:
            self._control = GrpcControl(self.url, (SECRET_HEADER, self._secret), self.child)
        return self._control

    async def declare(self, model: int, declaration: bytes) -> None:
        """Declare a model to the backend, before it is loaded."""
        message = LinkMessage(LinkKind.MODEL, model=model, payload=declaration)
        if len(declaration) <= MAX_MESSAGE - LINK_HEADER.size:
            await self.link.ask(message)
            return
        file = sealed_file(declaration)
        try:
            await self.link.ask(message._replace(payload=b"", value=len(declaration)), descriptors=(file,))
        finally:
            os.close(file)

    async def load(self, name: str, config: dict[str, Any], timeout: float) -> None:
        """Load or reload a model; raises ServerError with Triton's reason."""
        try:
            await self._load_with_room(name, config, timeout)
        except ServerError as error:
            if "failed to poll from model repository" not in str(error):
                raise
            raise ServerError(await self._why_no_poll(name) or str(error)) from None

    async def _load_with_room(self, name: str, config: dict[str, Any], timeout: float) -> None:
        """Load, or wait at most as long as a load may take for the threads that it needs."""
        for attempt in range(max(1, int(timeout / _POLL_INTERVAL))):
            try:
                await self.control.load(name, config, timeout=timeout)
                return
            except NoThreadsLeft as error:
                short = error
            if attempt == 0:
                _LOG.error("model %s waits to be loaded: %s", name, short)
            await asyncio.sleep(_POLL_INTERVAL)
        raise short

    async def _why_no_poll(self, name: str) -> str:
        """The mistake in a model's configuration: Triton writes it into its log, and not into its answer."""
        refused = re.compile(rf"Poll failed for model directory '{re.escape(name)}': (.*)\"$")
        for pause in (0.0, _LINE_TIMEOUT):
            await asyncio.sleep(pause)
            for line in reversed(self.child.last_lines):
                if found := refused.search(line):
                    reason = found[1].replace('\\"', '"').rstrip(".")
                    return f"Triton refuses its configuration: {reason}; correct triton_config"
        return ""

    async def forget(self, name: str, config: dict[str, Any], timeout: float) -> None:
        """Undo a failed first load, which would hold readiness at 400 for ever: load with ``config``, then unload."""
        with contextlib.suppress(ServerError):
            await self.control.load(name, config, timeout=timeout)
            await self.control.unload(name, timeout=timeout)

    async def set_gate(self, is_open: bool) -> None:
        """Let Triton's readiness be what its models say, or hold it at not ready."""
        async with self._gate_lock:
            await self.link.ask(LinkMessage(LinkKind.GATE, value=int(is_open)))
            if is_open:
                await self.control.load(self._gate, timeout=ANSWER_TIMEOUT)
                return
            if self._is_shared:
                # A client may have loaded it, and the load of a model that is loaded already does not fail.
                await self.control.unload(self._other_gate, timeout=ANSWER_TIMEOUT)
            try:
                await self.control.load(self._other_gate, timeout=ANSWER_TIMEOUT)
            except ServerError as error:
                # The failed load is what makes the server not ready; with another failure nothing has changed.
                if GATE_CLOSED not in str(error):
                    raise
            # A model that is being unloaded counts against ready, so it is done only now, when nothing is ready anyway.
            await self.control.unload(self._gate, timeout=ANSWER_TIMEOUT)
            self._gate, self._other_gate = self._other_gate, self._gate

    def answer_need(self, token: int, grant: Grant | str) -> None:
        """Answer the backend's request for memory with a segment, or with the reason why there is none."""
        try:
            if isinstance(grant, str):
                self.link.send(LinkMessage(LinkKind.REFUSED, token=token, payload=grant.encode()))
            else:
                self.link.send(LinkMessage(LinkKind.SEGMENT, segment=grant.number, token=token), grant.descriptor)
        except ServerError as error:
            _LOG.error("%s", error)

    async def held_requests(self, timeout: float = ANSWER_TIMEOUT) -> int:
        """How many requests the backend has not answered yet; raises ServerError when it does not reply in time."""
        return (await self.link.ask(LinkMessage(LinkKind.COUNT), timeout)) & 0xFFFFFFFF

    async def live_sequences(self) -> int:
        """How many sequences have started and not ended; raises ServerError."""
        return await self.link.ask(LinkMessage(LinkKind.COUNT)) >> 32

    async def is_busy(self, channel: int) -> bool:
        """Whether a batch is with the worker behind the channel; raises ServerError."""
        return await self.link.ask(LinkMessage(LinkKind.BUSY, channel=channel)) != 0

    def verdict(self) -> Verdict:
        """Whether it can take another client."""
        lack = lack_of_descriptors(self.child.pid)
        return Verdict(not lack, lack)

    async def ends_soon(self) -> bool:
        """Whether the process ends within a moment: a connection to it breaks before its end is seen."""
        with contextlib.suppress(TimeoutError):
            await within(self.child.wait(), _END_TIMEOUT)
        return not self.child.running

    async def release(self) -> None:
        """Close the connections to the process, which has ended."""
        self.link.close()
        if self._control is not None:
            await self._control.close()

    async def requests_of(self, model: int, timeout: float | None) -> tuple[int, int]:
        """How many requests of one model run, and how many wait for a worker; ServerError as above."""
        value = await self.link.ask(LinkMessage(LinkKind.COUNT, model=model), timeout)
        waiting = value >> 32
        return max(0, (value & 0xFFFFFFFF) - waiting), waiting

    async def fail_requests(self, timeout: float) -> None:
        """Fail every request that waits, runs or comes, because the server stops; return when that is under way.

        Call it before the workers end: their end would be the reason that clients get.
        """
        with contextlib.suppress(ServerError):
            self.link.send(LinkMessage(LinkKind.STOP))
            await self.held_requests(timeout)

    async def stop(self, timeout: float, hurry: asyncio.Event) -> None:
        """End the process, by force after ``timeout`` seconds.

        A server that writes traces or a cache at its end gets the time for it, unless there is ``hurry``.
        """
        writes = self._exit_seconds > 0 and not hurry.is_set()
        if writes:
            # While it has models it ends without a last word when a client's connection stays open.
            with contextlib.suppress(ServerError):
                await self.control.unload_all(_UNLOAD_TIMEOUT)
        self.child.signal(signal.SIGTERM)
        ended, hurried = asyncio.ensure_future(self.child.wait()), asyncio.ensure_future(hurry.wait())
        try:
            events, seconds = ({ended, hurried}, self._exit_seconds) if writes else ({ended}, timeout)
            await asyncio.wait(events, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            discard(ended, hurried)
        if self.child.running:
            self.child.kill()
            await self.ends_soon()
        await self.release()


def _started(command: list[str], link: BackendLink) -> Child:
    """The process at the other end of ``link``; raises OSError."""
    peer, variables = inherited_by(link)
    with peer, server_stack():
        env = {_ARENAS: str(len(os.sched_getaffinity(0))), **os.environ, **variables}
        return Child(command, inherit=[peer.fileno()], env=env, output=ServerOutput(link), slow_repeats=True)
