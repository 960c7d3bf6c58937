"""`Host`: a daemon that a script, a notebook or a test starts and owns."""

from __future__ import annotations

import atexit
import sys
import warnings
import weakref
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from pytriton_plugins.discovery.importing import refuse_to_start_a_host
from pytriton_plugins.errors import HostError, PytritonPluginsError
from pytriton_plugins.script.addresses import Addresses
from pytriton_plugins.script.handles import ModelHandle, add
from pytriton_plugins.script.models import Models
from pytriton_plugins.script.options import host_options
from pytriton_plugins.script.process import DaemonProcess
from pytriton_plugins.script.startup import wait_ready
from pytriton_plugins.script.targets import Target, import_path, target_of

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

    from pytriton_plugins.script.attach import AttachKeywords
    from pytriton_plugins.script.attachment import Attachment
    from pytriton_plugins.script.connected import ConnectedHost
    from pytriton_plugins.script.keywords import HostKeywords

_INSTEAD = "serve it from this process with host.attach"
ADD_TIMEOUT = 180.0
_open: weakref.WeakSet[Host] = weakref.WeakSet()


class Host(Addresses):
    """A daemon with its own tritonserver, started by this program and ended with it; ready when the call returns.

    ``targets`` are served from the start, each in processes of its own; `add` adds others. Installed plugins are
    served beside them where ``plugins`` names them, as keyword, variable or in the file. Every setting of
    `pytriton-host serve` is a keyword by its name in docs/reference/settings.md, with ``_`` for ``-``; ``config`` is
    the configuration file. ``timeout``: seconds until the daemon must be ready; by default its own ``import_timeout``
    and ``load_timeout`` hold, and 120 s for the imports of hook plugins.

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
        self._folders = import_path()
        private = ["--owned", "--only-targets", *(f"--import-path={folder}" for folder in self._folders)]
        served = [target_of(target, self._folders, _INSTEAD) for target in targets]
        self._models = Models()
        self._daemon = DaemonProcess(served, options.with_options(private))
        self._finalizer = weakref.finalize(self, _abandon, self._daemon)
        self._finalizer.atexit = False  # `_close_all` closes it there
        try:
            status = wait_ready(self._daemon, timeout)
        except BaseException as error:
            self._finalizer.detach()
            self._daemon.abandon(error.problems if isinstance(error, PytritonPluginsError) else ())
            raise
        self._daemon.started()
        super().__init__(status)
        _open.add(self)

    def __repr__(self) -> str:
        models = f", models {models}" if (models := str(self._models)) else ""
        return f"<Host process {self._daemon.pid}, {self._shown_ports()}{models}{self._daemon.state}>"

    @staticmethod
    def connect(run_dir: str | Path | None = None, pid: int | None = None) -> ConnectedHost:
        """A daemon of this user that runs already and takes callables: ``pytriton-host serve --allow attach``.

        ``run_dir``: its run directory, by default that of the variable PYTRITON_HOST_RUN_DIR, else every folder where
        a daemon runs without one; ``pid``: its process id. What it returns has `attach`, `wait`, `close`, which
        leaves the daemon alone, and the URLs. Raises HostError where there is no such daemon, or several, and where
        the daemon does not take callables, is another user's or has another version.
        """
        from pytriton_plugins.script.connected import connect_host

        return connect_host(run_dir, pid)

    @property
    def pid(self) -> int:
        """The process id of the daemon, for `pytriton-host status --pid`."""
        return self._daemon.pid

    def add(self, target: Target, timeout: float = ADD_TIMEOUT) -> ModelHandle:
        """Serve a target in processes of its own, and return once it serves; a model of that name is replaced.

        No request is lost when a model is replaced. If the new one fails, the old one serves on. Raises ControlError
        with the reason, also after ``timeout`` seconds, and DiscoveryError for what a worker cannot import.
        """
        self._daemon.check_answers()
        handle = add(self._daemon, target_of(target, self._folders, _INSTEAD), timeout)
        self._models.note(handle)
        return handle

    def attach(self, callable: Any, **declaration: Unpack[AttachKeywords]) -> Attachment:
        """Serve a callable in threads of this process, and return once clients can call it.

        ``callable``: a function, lambda, bound method, instance with ``__call__``, `functools.partial`, generator or
        ``async def``, with this process's objects; or a list of them, one for each worker. The keywords are those of
        `infer_func` but ``workers``; a marked callable needs none. ``attach_timeout``: seconds until it serves. A model
        of that name and version that this program has attached or added before is replaced. Raises DeclarationError
        for a callable that cannot be served, and AttachError if the daemon does not accept it or is late.
        """
        from pytriton_plugins.script.attach import attach

        self._daemon.check_answers()
        handle = attach(self._daemon.folder, callable, remove_added=self._remove_added, **declaration)
        self._models.note(handle)
        return handle

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

    def _remove_added(self, name: str, version: int) -> None:
        """Its worker processes serve a model that this process is about to serve."""
        handle = self._models.handle(name, version)
        if isinstance(handle, ModelHandle):
            handle.remove_one(name, version)

    def __enter__(self) -> Self:
        self._daemon.check()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


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
        daemon.abandon()  # first: the warning may be an exception
        warnings.warn("a Host was not closed; use it in a with statement", ResourceWarning, stacklevel=2)


@atexit.register
def _close_all() -> None:
    for host in list(_open):
        host.close()
