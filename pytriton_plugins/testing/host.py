"""A real pytriton-host in a process of its own, on free ports of the loopback address."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from pytriton_plugins.script.lifeline import Lifeline
from pytriton_plugins.script.program import PROGRAM as PROGRAM
from pytriton_plugins.script.targets import Target, installed, target_of
from pytriton_plugins.testing.failed_start import failures, is_settled
from pytriton_plugins.testing.ports import ADDRESS, held_ports
from pytriton_plugins.testing.waiting import wait_until

_INSTEAD = "use call_model, which runs it in this process"
_ASYNCIO_LINE = re.compile(r'[A-Z] +asyncio: |"logger": "asyncio"|RuntimeWarning: coroutine .* was never awaited')
_DRAIN_TIMEOUT = "PYTRITON_HOST_DRAIN_TIMEOUT"


class RunningHost:
    """A daemon that `run_host` started. ``http``, ``grpc`` and ``metrics`` are ``ADDRESS:PORT``."""

    def __init__(self, process: subprocess.Popen[bytes], ports: tuple[int, ...], folder: Path) -> None:
        self.process = process
        self.ports = ports
        self.http, self.grpc, self.metrics = (f"{ADDRESS}:{port}" for port in ports)
        self._folder = folder

    @property
    def output(self) -> str:
        """Its standard output until now: the table and the sample requests."""
        return (self._folder / "output").read_text(errors="replace")

    @property
    def log(self) -> str:
        """Its standard error until now."""
        return (self._folder / "log").read_text(errors="replace")

    def status(self, path: str) -> int:
        """The HTTP status of a GET of ``path``, such as ``/v2/health/ready``; 0 without an answer."""
        connection = http.client.HTTPConnection(self.http, timeout=20)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        except OSError:
            return 0
        finally:
            connection.close()

    def wait_ready(self, timeout: float = 60.0) -> None:
        """Wait for ``/v2/health/ready``; raises AssertionError with the log after ``timeout`` seconds."""
        self._wait(self._ended_or_ready, timeout)

    def wait_started(self, timeout: float = 60.0) -> None:
        """The same for a daemon that starts, which `run_host` does; raises at once when a plugin or model has failed.

        The error has the reasons. Those that ``--optional`` names may fail.
        """
        self._wait(lambda: self._ended_or_ready() or failures(self.output), timeout)
        failed = failures(self.output) if self.status("/v2/health/ready") != 200 else []
        assert not failed, f"the daemon cannot get ready: {'; '.join(failed)}; its log:\n{self.log}"

    def _wait(self, condition: Callable[[], object], timeout: float) -> None:
        try:
            wait_until(condition, timeout, "/v2/health/ready answers 200")
        except TimeoutError as error:
            raise AssertionError(f"{error}; its log:\n{self.log}") from None
        assert self.process.poll() is None, f"the daemon ended with {self.process.returncode}; its log:\n{self.log}"

    def wait_settled(self, timeout: float = 60.0) -> None:
        """Wait until every plugin serves or has failed: until the table is printed."""
        wait_until(lambda: is_settled(self.output) or self.process.poll() is not None, timeout, "the table is printed")

    def stop(self, number: signal.Signals = signal.SIGTERM, timeout: float = 30.0) -> int:
        """Send a signal and wait for the end of the process; its exit code."""
        self.process.send_signal(number)
        return self.process.wait(timeout)

    def _ended_or_ready(self) -> bool:
        return self.process.poll() is not None or self.status("/v2/health/ready") == 200


@contextlib.contextmanager
def run_host(
    *targets: Target,
    options: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
    ready: bool = True,
    prefix: Sequence[str] = (),
    lifeline: bool = True,
    drain_timeout: float | None = 1.0,
) -> Iterator[RunningHost]:
    """A daemon that serves ``targets`` (none: every installed plugin), killed at the end; ``ready``: wait until it is.

    It stops by itself when this process ends, however that happens; without ``lifeline``, for a prefix that hands no
    descriptors on, such as a container's, it does not.
    A target is one of `pytriton-host serve`, or a marked function or class at the top of a module or of the test's
    file: a worker imports it again, so it shares no objects with the test, and DiscoveryError says what it cannot
    import. Raises AssertionError at once, with the reasons, when a plugin cannot be imported or a model not set up.
    Raises AssertionError if asyncio complained in its log: that is a fault of the daemon, or of a hook plugin.
    ``options`` are those of ``pytriton-host serve``; ``env`` is added to this process's own variables; ``prefix``
    precedes the command (``unshare …``). ``drain_timeout``: seconds that requests in flight get at a stop, unless
    options or variables set it; None leaves the daemon's default, which is longer than most tests want to wait.
    """
    variables = {} if drain_timeout is None else {_DRAIN_TIMEOUT: f"{drain_timeout:g}"}
    environment = {**variables, **os.environ, **(env or {})}
    names = ("--http-port", "--grpc-port", "--metrics-port")
    with (
        tempfile.TemporaryDirectory(prefix="pytriton-test-") as name,
        held_ports(len(names)) as ports,
        contextlib.closing(Lifeline()) if lifeline else contextlib.nullcontext() as line,
    ):
        folder = Path(name)
        served = [target_of(target, installed(), _INSTEAD) for target in targets]
        flags = [f"{name}={port}" for name, port in zip(names, ports, strict=True)]
        arguments = [*served, *flags, *options]
        process = _started([*prefix, sys.executable, "-c", PROGRAM, "serve", *arguments], folder, environment, line)
        host = RunningHost(process, ports, folder)
        try:
            if ready:
                host.wait_started()
            yield host
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
        lines = complaints(host.log)
        assert not lines, f"the event loop of the daemon complains: {lines[0]}; its log:\n{host.log}"


def _started(
    command: Sequence[str], folder: Path, environment: Mapping[str, str], lifeline: Lifeline | None
) -> subprocess.Popen[bytes]:
    """The process of a daemon, whose output and log go to ``folder``."""
    with (folder / "output").open("wb") as output, (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, *lifeline.options] if lifeline else command,
            stdout=output,
            stderr=log,
            stdin=subprocess.DEVNULL,
            env=environment,
            pass_fds=lifeline.inherit if lifeline else (),
        )
    if lifeline:
        lifeline.handed_over()
    return process


def complaints(log: str) -> list[str]:
    """The lines in which asyncio reports a task or a coroutine of the daemon that was never awaited."""
    return [line for line in log.splitlines() if _ASYNCIO_LINE.search(line) and "pytriton.worker" not in line]
