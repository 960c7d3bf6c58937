"""`Host`: a daemon that a script, a notebook or a test starts and owns."""

from __future__ import annotations

import atexit
import os
import sys
import warnings
import weakref
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, TracebackType
from typing import TYPE_CHECKING, Any

from pytriton_plugins.discovery.importing import refuse_to_start_a_host
from pytriton_plugins.errors import HostError
from pytriton_plugins.host.system.network import called_at, host_port
from pytriton_plugins.script.handles import ModelHandle, add
from pytriton_plugins.script.options import host_options
from pytriton_plugins.script.process import DaemonProcess
from pytriton_plugins.script.startup import wait_ready
from pytriton_plugins.script.targets import import_path, target_of

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

    from pytriton_plugins.script.attach import AttachKeywords
    from pytriton_plugins.script.attachment import Attachment
    from pytriton_plugins.script.keywords import HostKeywords

Target = str | os.PathLike[str] | Callable[..., Any] | ModuleType
"""A marked callable or a module that can be imported, a path, or the name of a module."""

ADD_TIMEOUT = 180.0
_open: weakref.WeakSet[Host] = weakref.WeakSet()


class Host:
    """A daemon with its own tritonserver, started by this program and ended with it; ready when the call returns.

    ``targets`` are served from the start, each in processes of its own; `add` adds others. Installed plugins are
    served only where ``plugins`` names them. Every setting of `pytriton-host serve` is a keyword by its name in
    docs/reference/settings.md, with ``_`` for ``-``; ``config`` is the configuration file. ``timeout``: seconds until
    the daemon must be ready; by default its own ``import_timeout`` and ``load_timeout`` hold.

    The log goes to `logging`, below the logger ``pytriton``. A program that ends without `close` closes it at its
    exit. Raises ConfigError for a setting that cannot be used, HostError with the reasons for a daemon that does not
    start or does not become ready, DiscoveryError for a target that a worker cannot import.
    """

    def __init__(
        self,
        *targets: Target,
        config: str | Path | None = None,
        timeout: float | None = None,
        **settings: Unpack[HostKeywords],
    ) -> None:
        refuse_to_start_a_host()
        _refuse_in_a_child_that_imports_its_program()
        options = host_options(config, settings)
        only = [] if settings.get("plugins") else ["--only-targets"]
        self._folders = import_path()
        private = [*only, *(f"--import-path={folder}" for folder in self._folders)]
        served = [target_of(target, self._folders) for target in targets]
        self._daemon = DaemonProcess(served, options.with_options(private))
        self._finalizer = weakref.finalize(self, _abandon, self._daemon)
        self._finalizer.atexit = False  # `_close_all` closes it there
        try:
            status = wait_ready(self._daemon, timeout)
        except BaseException:
            self._finalizer.detach()
            self._daemon.abandon()
            raise
        self._address = str(status["address"])
        self._ports: dict[str, int | None] = status["ports"]
        _open.add(self)

    def __repr__(self) -> str:
        ports = ", ".join(f"{name} {port}" for name, port in self._ports.items() if port is not None)
        return f"<Host process {self._daemon.pid}, {ports}{', closed' if self._daemon.is_closed else ''}>"

    @property
    def pid(self) -> int:
        """The process id of the daemon, for `pytriton-host status --pid`."""
        return self._daemon.pid

    @property
    def http_url(self) -> str:
        """``http://ADDRESS:PORT``; raises HostError where HTTP is switched off."""
        return f"http://{self._place('http')}"

    @property
    def grpc_url(self) -> str:
        """``grpc://ADDRESS:PORT``; raises HostError where gRPC is switched off."""
        return f"grpc://{self._place('grpc')}"

    @property
    def metrics_url(self) -> str:
        """``http://ADDRESS:PORT/metrics``; raises HostError where metrics are switched off."""
        return f"http://{self._place('metrics')}/metrics"

    def add(self, target: Target, timeout: float = ADD_TIMEOUT) -> ModelHandle:
        """Serve a target in processes of its own, and return once it serves; a model of that name is replaced.

        No request is lost when a model is replaced. If the new one fails, the old one serves on. Raises ControlError
        with the reason, also after ``timeout`` seconds, and DiscoveryError for what a worker cannot import.
        """
        self._daemon.check()
        return add(self._daemon, target_of(target, self._folders), timeout)

    def attach(self, callable: Any, **declaration: Unpack[AttachKeywords]) -> Attachment:
        """Serve a callable in threads of this process, and return once clients can call it.

        ``callable``: a function, lambda, bound method, instance with ``__call__``, `functools.partial`, generator or
        ``async def``, with this process's objects; or a list of them, one for each worker. The keywords are those of
        `infer_func` but ``workers``; a marked callable needs none. ``attach_timeout``: seconds until it serves. A model
        of that name and version that this process has attached before is replaced. Raises DeclarationError for a
        callable that cannot be served, and AttachError if the daemon does not accept it or is late.
        """
        from pytriton_plugins.script.attach import ATTACH_TIMEOUT, attach

        self._daemon.check()
        attachment = attach(self._daemon.folder, callable, **declaration)
        try:
            attachment.ready(declaration.get("attach_timeout", ATTACH_TIMEOUT))
        except BaseException:  # Ctrl-C too
            attachment.abandon()
            raise
        return attachment

    def wait(self) -> None:
        """Return at Ctrl-C, or when another thread closes this host.

        Raises HostError, which says why, when the daemon ends by itself.
        """
        self._daemon.check()
        try:
            self._daemon.wait()
        except KeyboardInterrupt:
            return
        if not self._daemon.is_closed:
            raise self._daemon.end()

    def close(self) -> None:
        """Stop the daemon in order: requests in flight get ``drain_timeout`` seconds. A second call does nothing.

        Ctrl-C ends the wait for these requests. In a fork of this process it does nothing.
        """
        if self._daemon.is_ours:
            self._finalizer.detach()
            _open.discard(self)
            self._daemon.stop()

    def __enter__(self) -> Self:
        self._daemon.check()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _place(self, protocol: str) -> str:
        port = self._ports[protocol]
        if port is None:
            raise HostError(f"{protocol} is switched off by server_options")
        return host_port(called_at(self._address), port)


def _refuse_in_a_child_that_imports_its_program() -> None:
    """A child of `multiprocessing` imports the program anew; without a guard it would start daemons without end."""
    multiprocessing = sys.modules.get("multiprocessing.process")
    if multiprocessing is not None and getattr(multiprocessing.current_process(), "_inheriting", False):
        raise HostError(
            "a child process of multiprocessing imports this program; start the Host below if __name__ == '__main__':"
        )


def _abandon(daemon: DaemonProcess) -> None:
    """The garbage collector has taken a host that nobody has closed."""
    if daemon.is_ours:
        warnings.warn("a Host was not closed; use it in a with statement", ResourceWarning, stacklevel=2)
        daemon.abandon()


@atexit.register
def _close_all() -> None:
    for host in list(_open):
        host.close()
