"""A worker's life: import the plugin, report its models, set one up, serve it; runs in the worker process."""

from __future__ import annotations

import gc
import inspect
import logging
import os
import platform
import socket
import sys
import traceback
from collections.abc import Callable
from typing import Any

import numpy as np

from pytriton_plugins.discovery.importing import imported_files
from pytriton_plugins.discovery.resolve import resolve
from pytriton_plugins.errors import DeclarationError, DiscoveryError, ProtocolError
from pytriton_plugins.models import ModelDeclaration
from pytriton_plugins.shm.wire import VERSION
from pytriton_plugins.worker.call import CallPlan
from pytriton_plugins.worker.failures import one_line
from pytriton_plugins.worker.link import WorkerLink
from pytriton_plugins.worker.orphan import die_with_host
from pytriton_plugins.worker.serve import ChannelServer

_LOG = logging.getLogger("pytriton.worker")
_FAILED = 3


def main(arguments: list[str]) -> int:
    """Run a worker for ``LINK KILL_PIPE REFERENCE FOLDER…``: two inherited descriptors, what to resolve, and where."""
    # What lies in these folders may be served, but never stands in for installed modules.
    sys.path += [*arguments[3:], os.getcwd()]
    link_fd, kill_pipe, reference = int(arguments[0]), int(arguments[1]), arguments[2]
    die_with_host(kill_pipe)
    for descriptor in (link_fd, kill_pipe):
        os.set_inheritable(descriptor, False)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    # A child that the callable forks must not hold the link: its end is how the host learns that this worker is gone.
    os.register_at_fork(after_in_child=lambda: os.close(link_fd))
    link = WorkerLink(socket.socket(fileno=link_fd))
    link.tell("hello", protocol=VERSION, pid=os.getpid(), python=platform.python_version(), numpy=np.__version__)
    found = _attempt(link, "import", lambda: resolve(reference))
    if found is None:
        return _FAILED
    declarations = [declaration for _, declaration in found]
    if not _attempt(link, "import", lambda: _report(link, declarations, imported_files(reference))):
        return _FAILED
    order = link.next_order()
    wanted = (order["model"], order["version"])
    marked, declaration = next(item for item in found if (item[1].name, item[1].version) == wanted)
    return _serve(link, marked, declaration, order)


def _report(link: WorkerLink, declarations: list[ModelDeclaration], files: list[str]) -> bool:
    link.tell("models", models=[declaration.to_json() for declaration in declarations], files=files)
    return True


def _serve(link: WorkerLink, marked: Any, declaration: ModelDeclaration, order: dict[str, Any]) -> int:
    settings = order.get("settings") or {}
    callable_ = _attempt(link, "set-up", lambda: _set_up(marked, declaration, settings))
    if callable_ is None:
        return _FAILED
    if any(tensor.dtype.is_raw for tensor in (*declaration.inputs, *declaration.outputs)):
        _LOG.warning(
            "model %s: bfloat16 tensors are np.uint16 here, the bits of each number, for ml_dtypes is not installed; "
            "run: pip install ml_dtypes",
            declaration.name,
        )
    calls = CallPlan(declaration, callable_)
    if order.get("warmup") and not _warmed_up(link, declaration, calls, order["warmup"]):
        return _FAILED
    new_server: Callable[..., ChannelServer] = ChannelServer
    if order.get("hooks"):
        # pluggy is imported only where a plugin asks for it.
        from pytriton_plugins.worker.observe import observing

        new_server = observing(declaration, order["hooks"])
    gc.collect()
    gc.freeze()  # what was imported lives as long as the worker: no need to walk it again
    link.tell("ready")
    while (offer := link.next_offer()) is not None:
        closing = [offer.sock]
        os.register_at_fork(after_in_child=lambda socks=closing: [sock.close() for sock in socks])
        try:
            new_server(offer.sock, offer.segment, declaration, calls, link.need_segment).serve()
        finally:
            offer.sock.close()
            closing.clear()
    close = getattr(callable_, "close", None) if declaration.kind == "class" else None
    if close is not None:
        close()
    return 0


def _warmed_up(link: WorkerLink, declaration: ModelDeclaration, calls: CallPlan, samples: list[Any]) -> bool:
    from pytriton_plugins.worker.warm_up import warm_up  # few models have samples

    return bool(_attempt(link, "warm-up", lambda: warm_up(declaration, calls, samples)))


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
    except (DeclarationError, DiscoveryError, ProtocolError) as error:
        message = str(error)
    except Exception as error:
        traceback.print_exc()
        message = f"{type(error).__name__}: {error}"
    link.tell("failed", stage=stage, message=one_line(message))
    return None
