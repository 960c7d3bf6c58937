"""A daemon that runs already, and takes callables of this program."""

from __future__ import annotations

import os
import select
import weakref
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from pytriton_plugins.errors import HostError
from pytriton_plugins.host.control.client import CONNECT_TIMEOUT, HostConnection, connected
from pytriton_plugins.script.addresses import Addresses
from pytriton_plugins.script.finding import checked, found
from pytriton_plugins.script.models import Models
from pytriton_plugins.script.process import answered

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

    from pytriton_plugins.script.attach import AttachKeywords
    from pytriton_plugins.script.attachment import Attachment

_TICK = 100
"""Milliseconds until `ConnectedHost.wait` sees that another thread has closed it."""


class ConnectedHost(Addresses):
    """A daemon that another program started; `Host.connect` returns it.

    What is attached stays attached until `close`, until it is removed, or until this process ends, also when this
    object is dropped. The daemon goes on in any case.
    """

    def __init__(self, pid: int, pidfd: int, folder: str, status: dict[str, Any]) -> None:
        super().__init__(status)
        self.pid = pid
        """The process id of the daemon."""
        self._folder = folder
        self._pidfd = pidfd
        weakref.finalize(self, os.close, pidfd)
        self._models = Models()
        self._is_closed = False

    def __repr__(self) -> str:
        state = ", closed" if self._is_closed else ", ended" if self._has_ended(0) else ""
        models = f", models {models}" if (models := str(self._models)) else ""
        return f"<ConnectedHost process {self.pid}, {self._shown_ports()}{models}{state}>"

    def attach(self, callable: Any, **declaration: Unpack[AttachKeywords]) -> Attachment:
        """Serve a callable in threads of this process, and return once clients can call it; as `Host.attach` does.

        Where another process has attached a model of that name and version with the same declaration, both serve it.
        """
        from pytriton_plugins.script.attach import attach

        self._check()
        handle = attach(self._folder, callable, **declaration)
        self._models.note(handle)
        return handle

    def wait(self) -> None:
        """Return at Ctrl-C, or when another thread closes this connection; raises HostError when the daemon ends."""
        self._check()
        try:
            while not self._is_closed:
                if self._has_ended(_TICK):
                    raise self._end()
        except KeyboardInterrupt:
            return

    def close(self) -> None:
        """Remove what was attached by this object; the daemon goes on. A second call does nothing."""
        self._is_closed = True
        attached = self._models.attached()
        for handle in attached:
            handle.leave()
        for handle in attached:
            handle.remove()

    def __enter__(self) -> Self:
        self._check()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _check(self) -> None:
        """Raises HostError where it is closed, has ended or does not answer."""
        if self._is_closed:
            raise HostError("this connection is closed; call Host.connect again")
        connection = None if self._has_ended(0) else connected(self._folder, CONNECT_TIMEOUT)
        if connection is None:
            raise self._end()
        check_answers(connection)

    def _has_ended(self, milliseconds: int) -> bool:
        poll = select.poll()
        poll.register(self._pidfd, select.POLLIN)
        return bool(poll.poll(milliseconds))

    def _end(self) -> HostError:
        return HostError(f"the pytriton-host with pid {self.pid} has ended; start it, and call Host.connect again")


def connect_host(run_dir: str | Path | None, pid: int | None) -> ConnectedHost:
    """The daemon in that folder, or with that process id; raises HostError with the reason where there is none."""
    connection = found(run_dir, pid)
    try:
        pidfd = os.pidfd_open(connection.pid)
    except OSError:  # it has ended, or is in another PID namespace, where its id is 0
        connection.close()
        raise HostError(f"the pytriton-host with pid {connection.pid} is not a process here; start one here") from None
    try:
        return ConnectedHost(connection.pid, pidfd, connection.folder, checked(connection))
    except BaseException:
        os.close(pidfd)
        raise
    finally:
        connection.close()


def check_answers(connection: HostConnection) -> None:
    """Close the connection; raises HostError where the daemon does not answer, because it is stopped."""
    try:
        answered(connection.ask, "summary")
    finally:
        connection.close()
