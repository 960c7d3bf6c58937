"""Attaches callables of this process to a daemon: threads of this process answer the requests of clients."""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pytriton_plugins.discovery.entry_points import framework_version
from pytriton_plugins.errors import AttachError, known_keywords
from pytriton_plugins.model.infer_func import Settings
from pytriton_plugins.script.calls import callables_of, declared, where_of
from pytriton_plugins.script.connection import connect
from pytriton_plugins.script.link import AttachedLink
from pytriton_plugins.script.session import AttachedSession
from pytriton_plugins.shm.wire import VERSION

if TYPE_CHECKING:
    from pytriton_plugins.model.declaration import ModelDeclaration
    from pytriton_plugins.model.tensors import Tensor

ATTACH_TIMEOUT = 60.0
"""Seconds until a daemon that starts or changes models accepts a callable."""

READY_TIMEOUT = 60.0
REMOVE_TIMEOUT = 35.0
"""Seconds: requests that run get 30."""


class Attachment:
    """A model whose callables are in this process; `attach` returns it. It stays attached when it is dropped."""

    def __init__(self, declaration: ModelDeclaration, links: Sequence[AttachedLink]) -> None:
        self._declaration = declaration
        self._links = links
        self._pid = os.getpid()

    @property
    def name(self) -> str:
        return self._declaration.name

    @property
    def version(self) -> int:
        return self._declaration.version

    @property
    def error(self) -> str | None:
        """Why the daemon does not serve it any more; None while it does, and after `remove`."""
        ended = [link for link in self._links if link.ended.is_set() and not link.was_asked_to_end]
        return self._problem(ended[0]) if ended else None

    def ready(self, timeout: float = READY_TIMEOUT) -> None:
        """Wait until clients can call it; raises AttachError after ``timeout`` seconds, or if it is not served."""
        deadline = time.monotonic() + timeout
        for link in self._links:
            if not link.serving.wait(max(0.0, deadline - time.monotonic())):
                raise AttachError(f"{self._label} is not served after {timeout:g} s; see the daemon's log")
        self.check()

    def check(self) -> None:
        """Raise AttachError if the daemon does not serve it any more."""
        if error := self.error:
            raise AttachError(error)
        if self._links[0].ended.is_set() or os.getpid() != self._pid:
            raise AttachError(f"{self._label} is not attached by this process, or was removed")

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it was removed, True, or for ``timeout`` seconds, False; raises AttachError as `check` does."""
        ended = self._links[0].ended.wait(timeout)
        if error := self.error:
            raise AttachError(error)
        return ended

    def remove(self, timeout: float = REMOVE_TIMEOUT) -> None:
        """Serve it no longer: requests that run may finish. After ``timeout`` seconds they fail.

        Nothing happens if it is removed already, or in a child that this process forked.
        """
        if os.getpid() != self._pid:
            return
        for link in self._links:
            link.leave()
        deadline = time.monotonic() + timeout
        for link in self._links:
            if not link.ended.wait(max(0.0, deadline - time.monotonic())):
                link.close()

    def abandon(self) -> None:
        """End the links at once."""
        for link in self._links:
            link.close()

    @property
    def _label(self) -> str:
        return f"model {self.name} version {self.version}"

    def _problem(self, link: AttachedLink) -> str:
        if link.reason:
            return f"{self._label}{'' if link.served else ' cannot be attached'}: {link.reason}"
        how = "has stopped" if link.leaving else "has ended"
        return f"{self._label}: the pytriton-host with pid {link.daemon} {how}; start one, and attach it again"


@known_keywords("attach", TypeError)
def attach(
    daemon: str | Path,
    callable: Any,
    *,
    name: str | None = None,
    inputs: Sequence[Tensor] | None = None,
    outputs: Sequence[Tensor] | None = None,
    version: int = 1,
    max_batch_size: int = 64,
    threads: int = 1,
    max_concurrency: int | None = None,
    retry_alone: bool = True,
    timeout: float | None = None,
    triton_config: dict[str, Any] | None = None,
    attach_timeout: float = ATTACH_TIMEOUT,
) -> Attachment:
    """Have a daemon of this user serve ``callable`` in threads of this process; it is loaded when this returns.

    ``daemon``: its run directory (``--run-dir``), its private folder, or its socket in that. ``callable``: a function,
    lambda, bound method, instance with ``__call__``, `functools.partial`, generator or ``async def``, or a list of such
    callables of one form, one for each worker. The other arguments are those of `infer_func`. Raises DeclarationError
    for a callable that cannot be served, and AttachError if the daemon does not accept it.
    """
    where = where_of(callable)
    settings = Settings(name, version, max_batch_size, 1, threads, max_concurrency, retry_alone, timeout, triton_config)
    declaration = declared(where, callable, settings, inputs, outputs)
    links: list[AttachedLink] = []
    handle = Attachment(declaration, links)
    try:
        for index, each in enumerate(callables_of(where, callable)):
            links.append(AttachedLink(*connect(daemon)))
            _introduce(links[-1], declaration, index)
            AttachedSession(links[-1], each, declaration)
        for link in links:
            _await_acceptance(handle, link, attach_timeout)
    except BaseException:  # Ctrl-C too
        handle.abandon()
        raise
    return handle


def _introduce(link: AttachedLink, declaration: ModelDeclaration, index: int) -> None:
    """Say who this process is, and what it declares."""
    program = os.path.basename(sys.argv[0]) if sys.argv and sys.argv[0] not in ("", "-c") else ""
    about = {"pid": os.getpid(), "python": platform.python_version(), "numpy": np.__version__}
    try:
        link.send("hello", protocol=VERSION, package=framework_version(), program=program, index=index, **about)
        link.send("models", models=[declaration.to_json()], files=[], notes=[])
    except OSError:
        pass  # the daemon has ended the link; its reason is read by the link's thread


def _await_acceptance(handle: Attachment, link: AttachedLink, timeout: float) -> None:
    if not link.accepted.wait(timeout):
        raise AttachError(f"model {handle.name}: the daemon did not answer within {timeout:g} s; see its log")
    handle.check()
