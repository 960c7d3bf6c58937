"""A worker's life: import the plugin, report its models, set one up, serve it; runs in the worker process."""

from __future__ import annotations

import gc
import inspect
import logging
import os
import platform
import socket
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from pytriton_plugins.discovery.importing import imported_files, notes
from pytriton_plugins.discovery.namesakes import current_folder
from pytriton_plugins.discovery.resolve import resolve
from pytriton_plugins.errors import DeclarationError, DiscoveryError, ProtocolError
from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.shm.wire import VERSION
from pytriton_plugins.text.exceptions import is_a, name_of, text_of
from pytriton_plugins.worker.breakpoints import refuse_breakpoints
from pytriton_plugins.worker.calling.errors import ENDS, ended_by, one_line
from pytriton_plugins.worker.calling.request_state import Surroundings
from pytriton_plugins.worker.calling.runner import CallPlan
from pytriton_plugins.worker.channels.dispatch import exit_code, serve_in_loop, serve_in_threads, server_class
from pytriton_plugins.worker.link import Offer, WorkerLink
from pytriton_plugins.worker.log import set_up_logging, show
from pytriton_plugins.worker.metrics.registry import Metrics
from pytriton_plugins.worker.parent_death import die_with_host

_LOG = logging.getLogger("pytriton.worker")
_FAILED = 3


def main(arguments: list[str]) -> int:
    """Run a worker for ``LINK KILL_PIPE LEVEL REFERENCE FOLDER…``.

    Two inherited descriptors, the level of the daemon's log, what to resolve, and where.
    """
    # What lies in these folders may be served, but never stands in for installed modules.
    sys.path += [*arguments[4:], *current_folder()]
    link_fd, kill_pipe, level, reference = int(arguments[0]), int(arguments[1]), arguments[2], arguments[3]
    die_with_host(kill_pipe)
    for descriptor in (link_fd, kill_pipe):
        os.set_inheritable(descriptor, False)
    set_up_logging(level)
    refuse_breakpoints()
    return work(link_fd, reference)


def work(link_fd: int, reference: str) -> int:
    """The rest of it, once the process is set up."""
    link = WorkerLink(socket.socket(fileno=link_fd))
    os.register_at_fork(after_in_child=link.close_in_child)
    link.tell("hello", protocol=VERSION, pid=os.getpid(), python=platform.python_version(), numpy=np.__version__)
    found = _attempt(link, "import", lambda: resolve(reference))
    if found is None:
        return _FAILED
    declarations = [declaration for _, declaration in found]
    if not _attempt(link, "import", lambda: _report(link, declarations, reference)):
        return _FAILED
    order = link.next_order()
    wanted = (order["model"], order["version"])
    marked, declaration = next(item for item in found if (item[1].name, item[1].version) == wanted)
    try:
        return _serve(link, marked, declaration, order)
    except KeyboardInterrupt as error:
        link.tell_end(ended_by(error, "the worker"))
        return exit_code(error)


def _report(link: WorkerLink, declarations: list[ModelDeclaration], reference: str) -> bool:
    models = [declaration.to_json() for declaration in declarations]
    link.tell("models", models=models, files=imported_files(reference), notes=notes(reference))
    return True


def _serve(link: WorkerLink, marked: Any, declaration: ModelDeclaration, order: dict[str, Any]) -> int:
    if declaration.is_async:
        import asyncio  # costs memory that other workers do without

        return asyncio.run(_serve_async(link, marked, declaration, order))
    calls = _set_up_calls(link, marked, declaration, order)
    surroundings = _surroundings(link, declaration, order)
    if calls is None or not _warmed_up(link, declaration, calls, surroundings, order):
        return _FAILED
    serve_in_threads(
        link, order.get("slots") or declaration.slots, _new_server(link, declaration, calls, surroundings, order)
    )
    _close(declaration, calls.callable)
    return 0


async def _serve_async(link: WorkerLink, marked: Any, declaration: ModelDeclaration, order: dict[str, Any]) -> int:
    """The same in an event loop, which is there already when a class is made."""
    calls = _set_up_calls(link, marked, declaration, order)
    surroundings = _surroundings(link, declaration, order)
    if calls is None or not await _warmed_up_async(link, declaration, calls, surroundings, order):
        return _FAILED
    await serve_in_loop(link, _new_server(link, declaration, calls, surroundings, order))
    closed = _close(declaration, calls.callable)
    if inspect.isawaitable(closed):
        await closed
    return 0


def _set_up_calls(
    link: WorkerLink, marked: Any, declaration: ModelDeclaration, order: dict[str, Any]
) -> CallPlan | None:
    """The calls of the callable, which is set up; None when that has failed, and the host was told."""
    callable_ = _attempt(link, "set-up", lambda: _set_up(marked, declaration, order.get("settings") or {}))
    if callable_ is not None and any(tensor.dtype.is_raw for tensor in (*declaration.inputs, *declaration.outputs)):
        _LOG.warning(
            "model %s: bfloat16 tensors are np.uint16 here, the bits of each number, for ml_dtypes is not installed; "
            "run: pip install ml_dtypes",
            declaration.name,
        )
    return None if callable_ is None else CallPlan(declaration, callable_, link.tell_end)


def _surroundings(link: WorkerLink, declaration: ModelDeclaration, order: dict[str, Any]) -> Surroundings:
    headers = order.get("headers") or {}
    return Surroundings(declaration.name, declaration.timeout, headers, Metrics(link.tell))


def _new_server(
    link: WorkerLink,
    declaration: ModelDeclaration,
    calls: CallPlan,
    surroundings: Surroundings,
    order: dict[str, Any],
) -> Callable[[Offer], Any]:
    """What makes the server of each channel; after this the worker is ready."""
    observer = None
    if order.get("hooks"):
        # pluggy is imported only where a plugin asks for it.
        from pytriton_plugins.worker.hooks import observer_of

        observer = observer_of(declaration, order["hooks"])
    new = server_class(declaration, observed=observer is not None)
    gc.collect()
    gc.freeze()  # what was imported lives as long as the worker: no need to walk it again
    link.tell("ready")
    return lambda offer: new(offer.sock, offer.segment, declaration, calls, link.need_segment, surroundings, observer)


def _close(declaration: ModelDeclaration, callable_: Any) -> Any:
    """Close a class that can be closed; something to await if that is what it gave."""
    close = getattr(callable_, "close", None) if declaration.kind == "class" else None
    return close() if close is not None else None


def _warmed_up(
    link: WorkerLink,
    declaration: ModelDeclaration,
    calls: CallPlan,
    surroundings: Surroundings,
    order: dict[str, Any],
) -> bool:
    samples = order.get("warmup")
    if not samples:
        return True
    from pytriton_plugins.worker.calling.warmup import warm_up  # few models have samples

    return bool(_attempt(link, "warm-up", lambda: warm_up(declaration, calls, surroundings, samples)))


async def _warmed_up_async(
    link: WorkerLink,
    declaration: ModelDeclaration,
    calls: CallPlan,
    surroundings: Surroundings,
    order: dict[str, Any],
) -> bool:
    samples = order.get("warmup")
    if not samples:
        return True
    from pytriton_plugins.worker.calling.warmup import warm_up_async

    try:
        return await warm_up_async(declaration, calls, surroundings, samples)
    except (Exception, *ENDS) as error:
        _tell_failure(link, "warm-up", error)
        return False


def _set_up(marked: Any, declaration: ModelDeclaration, settings: dict[str, Any]) -> Any:
    """The callable itself: a class is made with its settings. Raises DeclarationError for settings it does not take."""
    where = f"[models.{declaration.name}.settings]"
    if declaration.kind != "class":
        if settings:
            raise DeclarationError(
                f"{where}: the model is a function, which takes none; remove the table or mark a class"
            )
        return marked
    try:
        inspect.signature(marked).bind(**settings)
    except TypeError as error:
        raise DeclarationError(f"{where} does not fit __init__ of {declaration.object_name}: {error}") from None
    return marked(**settings)


def _attempt(link: WorkerLink, stage: str, action: Callable[[], Any]) -> Any:
    """The result of ``action``, or None after the failure was logged in full and told to the host in one line."""
    try:
        return action()
    except BaseException as error:
        _tell_failure(link, stage, error)
        return None


def _tell_failure(link: WorkerLink, stage: str, error: BaseException) -> None:
    if is_a(error, DeclarationError, DiscoveryError, ProtocolError):
        message = text_of(error)
    elif is_a(error, *ENDS):
        show(error)
        message = ended_by(error, {"set-up": "its __init__", "warm-up": "its callable"}.get(stage, "it"))
    else:
        show(error)
        message = f"{name_of(error)}: {text_of(error)}"
    link.tell("failed", stage=stage, message=one_line(message))
