"""One model in a worker: set up, warmed up, served and closed; and the report of a stage that fails."""

from __future__ import annotations

import contextlib
import inspect
import logging
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, TypeVar

from pytriton_plugins.errors import DeclarationError, DiscoveryError, ProtocolError
from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.text.exceptions import is_a, name_of, text_of
from pytriton_plugins.worker.calling.errors import ENDS, end_reason, one_line
from pytriton_plugins.worker.calling.request_state import SharedState
from pytriton_plugins.worker.calling.runner import BatchRunner
from pytriton_plugins.worker.calling.sequences import keeper_of
from pytriton_plugins.worker.channels.dispatch import NewServer, serve_in_loop, server_class
from pytriton_plugins.worker.link import WorkerLink
from pytriton_plugins.worker.metrics.registry import Metrics
from pytriton_plugins.worker.process_rules import OWN_PROCESS, ProcessRules

_LOG = logging.getLogger("pytriton.worker")
T = TypeVar("T")

_SUBJECTS = {"import": "it", "set-up": "its __init__", "warm-up": "its callable"}
"""The subject of the sentence that says how a stage ended the worker."""


class StageFailed(Exception):
    """The worker cannot serve; the daemon has the reason."""


class Stage(contextlib.AbstractContextManager[None]):
    """Logs the failure of a stage in full, reports it to the daemon in one line, and raises StageFailed."""

    def __init__(
        self, link: WorkerLink, name: str, process: ProcessRules = OWN_PROCESS, *, is_cancellable: bool = False
    ) -> None:
        """``name``: as in the message ``failed``. ``is_cancellable``: CancelledError is not a failure."""
        self._link = link
        self._name = name
        self._process = process
        self._is_cancellable = is_cancellable

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None or (self._is_cancellable and not is_a(error, Exception, *ENDS)):
            return
        self._link.send("failed", stage=self._name, message=one_line(self._message(error)))
        raise StageFailed from None

    def _message(self, error: BaseException) -> str:
        if is_a(error, DeclarationError, DiscoveryError, ProtocolError):
            return text_of(error)
        self._process.show(error)
        if is_a(error, *ENDS):
            return end_reason(error, _SUBJECTS[self._name])
        return f"{name_of(error)}: {text_of(error)}"


class WorkerSession:
    """Owns the link, the declaration, the daemon's order and the runner of the model that a worker serves.

    One path for every callable: nothing waits for an event loop unless the callable is awaited.
    """

    def __init__(
        self,
        link: WorkerLink,
        marked: Any,
        declaration: ModelDeclaration,
        order: dict[str, Any],
        process: ProcessRules = OWN_PROCESS,
    ) -> None:
        """``order``: the content of ``serve`` (docs/reference/protocol.md)."""
        self._process = process
        self._link = link
        self._marked = marked
        self._declaration = declaration
        self._order = order

    def run(self) -> None:
        """Serve the model until the daemon stops the worker; raises StageFailed if it cannot be served."""
        if not self._declaration.is_async:
            return _result_without_loop(self._run())
        import asyncio  # costs memory that other workers do without

        asyncio.run(self._run())

    async def _run(self) -> None:
        self._set_up()
        await self._warm_up()
        await self._serve(self._prepare_servers())
        await self._close()

    def _set_up(self) -> None:
        declaration = self._declaration
        with Stage(self._link, "set-up", self._process):
            callable_ = _instance(self._marked, declaration, self._order.get("settings") or {})
        if any(tensor.dtype.is_raw for tensor in (*declaration.inputs, *declaration.outputs)):
            _LOG.warning(
                "model %s: bfloat16 tensors are np.uint16 arrays of each number's bits, because ml_dtypes is not "
                "installed; run: pip install ml_dtypes",
                declaration.name,
            )
        self._runner = BatchRunner(declaration, callable_, self._link, self._process.ends, self._process.calls)
        headers = self._order.get("headers") or {}
        place = self._order.get("worker", 0)
        self._shared = SharedState(
            declaration.name,
            declaration.timeout,
            headers,
            Metrics(self._link),
            place,
            keeper_of(declaration.name, declaration.sequence, self._order.get("max_idle")),
        )

    async def _warm_up(self) -> None:
        samples = self._order.get("warmup")
        if not samples:
            return
        from pytriton_plugins.worker.calling.warmup import warm_up  # few models have samples

        # In an event loop a cancellation comes from the loop, for Ctrl-C.
        with Stage(self._link, "warm-up", self._process, is_cancellable=self._declaration.is_async):
            await warm_up(self._declaration, self._runner, self._shared, samples)

    def _prepare_servers(self) -> NewServer:
        """The factory of channel servers; when it is made, the daemon hears that the worker is ready."""
        observer = None
        if self._order.get("hooks"):
            # pluggy is imported only where a plugin asks for it.
            from pytriton_plugins.worker.hooks import load_observer

            observer = load_observer(self._declaration, self._order["hooks"])
        server = server_class(self._declaration, observed=observer is not None)
        self._process.settle()
        self._link.send("ready")
        return lambda offer: server(
            offer.sock, offer.take_segment(), self._declaration, self._runner, self._link, self._shared, observer
        )

    async def _serve(self, new_server: NewServer) -> None:
        if self._declaration.is_async:
            await serve_in_loop(self._link, new_server)
        else:
            slots = self._order.get("slots") or self._declaration.slots
            self._process.serve_slots(self._link, slots, new_server)

    async def _close(self) -> None:
        """Close an instance of a class that has ``close``."""
        close = getattr(self._runner.callable, "close", None) if self._declaration.kind == "class" else None
        result = close() if close is not None else None
        if self._declaration.is_async and inspect.isawaitable(result):
            await result


def _instance(marked: Any, declaration: ModelDeclaration, settings: dict[str, Any]) -> Any:
    """A function itself, or an instance of a class; raises DeclarationError for settings that it does not take."""
    table = f"[models.{declaration.name}.settings]"
    if declaration.kind != "class":
        if settings:
            raise DeclarationError(f"{table}: a function takes no settings; remove the table or mark a class")
        return marked
    try:
        inspect.signature(marked).bind(**settings)
    except TypeError as error:
        raise DeclarationError(f"{table} does not fit __init__ of {declaration.object_name}: {error}") from None
    return marked(**settings)


def _result_without_loop(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that never waits, without the memory that an event loop costs."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    raise AssertionError("a coroutine without an event loop waits")
