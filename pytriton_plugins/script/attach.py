"""Attaches callables of this process to a daemon: threads of this process answer the requests of clients."""

from __future__ import annotations

import os
import platform
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np

from pytriton_plugins.discovery.entry_points import framework_version
from pytriton_plugins.errors import known_keywords
from pytriton_plugins.model.call_rules import STRICT, CallRules
from pytriton_plugins.model.call_settings import Settings
from pytriton_plugins.script.attachment import Attachment
from pytriton_plugins.script.calls import callables_of, declared, where_of
from pytriton_plugins.script.connection import connect
from pytriton_plugins.script.link import AttachedLink
from pytriton_plugins.script.session import AttachedSession
from pytriton_plugins.shm.wire import VERSION

if TYPE_CHECKING:
    from pytriton_plugins.model.declaration import ModelDeclaration
    from pytriton_plugins.model.sequence import Sequence as SequenceSettings
    from pytriton_plugins.model.tensors import Tensor

ATTACH_TIMEOUT = 60.0
"""Seconds until a daemon that starts or changes models accepts a callable."""

_attached: dict[tuple[int, str, int], Attachment] = {}
"""The last attachment of each name and version, by the daemon's process id too."""

_turns: dict[tuple[str, int], threading.Lock] = {}
os.register_at_fork(after_in_child=_turns.clear)  # a lock that another thread holds would never be released there


class AttachKeywords(TypedDict, total=False):
    """The keywords of `attach`, for programs that hand them on."""

    name: str | None
    inputs: Sequence[Tensor] | None
    outputs: Sequence[Tensor] | None
    version: int
    max_batch_size: int
    threads: int
    max_concurrency: int | None
    retry_alone: bool
    timeout: float | None
    triton_config: dict[str, Any] | None
    calls: Sequence[str | tuple[str, int]]
    sequence: SequenceSettings | None
    attach_timeout: float


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
    calls: Sequence[str | tuple[str, int]] = (),
    sequence: SequenceSettings | None = None,
    attach_timeout: float = ATTACH_TIMEOUT,
    remove_added: Callable[[str, int], None] | None = None,
) -> Attachment:
    """Have a daemon of this user serve ``callable`` in threads of this process; return once clients can call it.

    ``daemon``: its run directory (``--run-dir``), its private folder, or its socket in that. ``callable``: a function,
    lambda, bound method, instance with ``__call__``, `functools.partial`, generator or ``async def``, or a list of such
    callables of one form, one for each worker. The other arguments are those of `infer_func`. A model of that name and
    version that this process has attached before is replaced; no request is lost if the declaration is the same.
    ``remove_added`` removes a model of a name and version that the daemon's own workers serve for this process.
    Raises DeclarationError for a callable that cannot be served, and AttachError if the daemon does not accept it.
    """
    batching = max_batch_size, 1, threads, max_concurrency, retry_alone
    settings = Settings(name, version, *batching, timeout, triton_config, calls, sequence)
    return attach_by_rules(
        daemon, callable, settings, inputs, outputs, remove_added=remove_added, attach_timeout=attach_timeout
    )


def attach_by_rules(
    daemon: str | Path,
    callable: Any,
    settings: Settings,
    inputs: Sequence[Tensor] | None,
    outputs: Sequence[Tensor] | None,
    *,
    rules: CallRules = STRICT,
    remove_added: Callable[[str, int], None] | None = None,
    attach_timeout: float = ATTACH_TIMEOUT,
) -> Attachment:
    """The same as `attach` for a package whose callables follow other ``rules``. Not public."""
    where = where_of(callable)
    declaration = declared(where, callable, settings, inputs, outputs, rules)
    with _turn(declaration.name, declaration.version):
        if remove_added is not None:
            remove_added(declaration.name, declaration.version)
        return _attached_in_its_turn(daemon, where, callable, declaration, rules, attach_timeout)


def _attached_in_its_turn(
    daemon: str | Path, where: str, callable: Any, declaration: ModelDeclaration, rules: CallRules, timeout: float
) -> Attachment:
    before = _before(daemon, declaration)
    if before is not None and not before.declares(declaration):
        before.remove()
        before = None
    handle = Attachment(declaration)
    try:
        for index, target in enumerate(callables_of(where, callable)):
            link = handle.add(AttachedLink(*connect(daemon), handle.link_ended))
            _introduce(link, declaration)
            AttachedSession(link, target, declaration, rules, index)
        handle.ready(timeout)
        if before is not None:
            before.remove()
    except BaseException:  # Ctrl-C too
        handle.abandon()
        raise
    _attached[handle.key] = handle
    return handle


def _turn(name: str, version: int) -> threading.Lock:
    """Held while a model of that name is attached: of two threads the later one replaces what the other attached."""
    return _turns.setdefault((name, version), threading.Lock())


def _before(daemon: str | Path, declaration: ModelDeclaration) -> Attachment | None:
    """The model of that name and version that this process has attached to the daemon before."""
    if not _attached:
        return None
    sock, pid = connect(daemon)
    sock.close()
    before = _attached.get((pid, declaration.name, declaration.version))
    return before if before is not None and before.is_attached else None


def _introduce(link: AttachedLink, declaration: ModelDeclaration) -> None:
    """Say who this process is, and what it declares."""
    program = os.path.basename(sys.argv[0]) if sys.argv and sys.argv[0] not in ("-", "-c") else ""
    about = {"pid": os.getpid(), "python": platform.python_version(), "numpy": np.__version__}
    try:
        link.send("hello", protocol=VERSION, package=framework_version(), program=program, **about)
        link.send("models", models=[declaration.to_json()], files=[], notes=[])
    except OSError:
        pass  # the daemon has ended the link; its reason is read by the link's thread
