"""Runs one batch through the marked callable, and each request alone after a failure; runs in the worker."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from typing import Any, NamedTuple, TypeVar

import numpy as np

from pytriton_plugins.errors import RequestError
from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.text.exceptions import is_a
from pytriton_plugins.worker.calling.arguments import ArgumentPlan
from pytriton_plugins.worker.calling.errors import ENDS, READ_ONLY, RequestFailure, ended_by, failure_of, writes_input
from pytriton_plugins.worker.calling.outputs import OutputPlan
from pytriton_plugins.worker.calling.request_state import Exchange
from pytriton_plugins.worker.log import report

__all__ = ["Batch", "CallPlan", "Outcome", "RequestFailure", "run_batch"]

T = TypeVar("T")
Call = Generator[dict[str, Any], Any, T]
"""Yields keywords of the callable, is sent what it returned or thrown what it raised, and returns what came of it."""


class Batch(NamedTuple):
    """One batch as it came from the backend, or some of its requests, the first of which has ``place`` in it.

    ``arrays``: by tensor name, wire shape, read-only; batched inputs have ``sum(rows)`` rows. ``rows`` and
    ``requested`` have one item per request; an unbatched batch is one request with ``rows == (1,)``. Where the callable
    takes requests one by one, ``apart`` has the arrays of each. ``exchange``: what it carries beside tensors.
    """

    arrays: dict[str, np.ndarray[Any, Any]]
    rows: tuple[int, ...]
    requested: tuple[frozenset[str], ...]
    apart: tuple[dict[str, np.ndarray[Any, Any]], ...] = ()
    exchange: Exchange | None = None
    place: int = 0

    def one(self, index: int, start: int) -> Batch:
        """Request ``index``, whose rows begin at ``start``, as a batch of its own."""
        rows = self.rows[index]
        arrays = {name: array[start : start + rows] for name, array in self.arrays.items()}
        alone = slice(index, index + 1)
        return Batch(arrays, (rows,), self.requested[alone], self.apart[alone], self.exchange, self.place + index)


class Outcome(NamedTuple):
    """What became of the requests ``[first, first + requests)``: ``outputs`` of all their rows, or one ``error``."""

    first: int
    requests: int
    outputs: dict[str, np.ndarray[Any, Any]] | None
    error: RequestFailure | None


class Cancelled(BaseException):
    """Nobody waits for the batch any more."""


class CallPlan:
    """One declaration and its callable, with all that can be worked out before the first batch."""

    def __init__(
        self, declaration: ModelDeclaration, callable_: Callable[..., Any], on_end: Callable[[str], bool] | None = None
    ) -> None:
        """``on_end`` is told why the worker ends, before it does; whether that is to be logged."""
        self._on_end = on_end
        self._model = declaration.name
        self._batched = declaration.batched
        self._retry_alone = declaration.retry_alone
        self.callable = callable_
        self.arguments = ArgumentPlan(declaration)
        self.context = declaration.context
        self._takes_requests = declaration.takes_requests
        self._checked = OutputPlan(declaration).checked
        if declaration.is_async:
            from asyncio import CancelledError  # costs memory that other workers do without

            self._cancelled = CancelledError

    def run(self, batch: Batch) -> list[Outcome]:
        """One outcome for the batch; after a failure in a batch of several, one for each request.

        Every exception is an answer but SystemExit and KeyboardInterrupt, which are logged and end the worker.
        """
        return self._driven(self._call(batch))

    async def run_async(self, batch: Batch, is_unwanted: Callable[[], bool]) -> list[Outcome]:
        """The same for a callable whose results are awaited.

        ``is_unwanted``: whether it was for lack of anybody who waits that the task was cancelled.
        """
        call = self._call(batch)
        try:
            arguments = next(call)
            while True:
                try:
                    if is_unwanted():
                        raise self._cancelled
                    result = await self.callable(**arguments)
                except self._cancelled as error:
                    arguments = call.throw(cancelled(error, is_unwanted=is_unwanted()))
                except BaseException as error:
                    arguments = call.throw(_thrown(error))
                else:
                    arguments = call.send(result)
        except StopIteration as end:
            outcomes: list[Outcome] = end.value
            return outcomes

    def failed(self, batch: Batch, error: BaseException, *, called: bool = True) -> list[Outcome]:
        """What `run` returns, or raises, when the call for the batch, or what comes before it, has failed."""
        return self._driven(self._failed(batch, error, called=called))

    def finished(self, batch: Batch, result: Any) -> list[Outcome]:
        """What `run` returns when the callable has returned ``result`` for the batch."""
        return self._driven(self._finished(batch, result))

    def outputs_of(self, batch: Batch, result: Any) -> dict[str, np.ndarray[Any, Any]]:
        """The checked outputs in one ``result`` for all of the batch; raises ResultError."""
        return self._checked(result, sum(batch.rows) if self._batched else None, batch.requested)

    def failure(self, error: BaseException) -> RequestFailure:
        """What one failed request is told, once it was logged; raises what no answer can be made of."""
        return self._failure(error, 1)

    def _driven(self, call: Call[list[Outcome]]) -> list[Outcome]:
        try:
            arguments = next(call)
            while True:
                try:
                    result = self.callable(**arguments)
                except BaseException as error:
                    arguments = call.throw(_thrown(error))
                else:
                    arguments = call.send(result)
        except StopIteration as end:
            outcomes: list[Outcome] = end.value
            return outcomes

    def _call(self, batch: Batch) -> Call[list[Outcome]]:
        called = False
        try:
            arguments = self.arguments.of(batch)
            called = True
            result = yield arguments
        except BaseException as error:
            return (yield from self._failed(batch, error, called=called))
        return (yield from self._finished(batch, result))

    def _finished(self, batch: Batch, result: Any) -> Call[list[Outcome]]:
        count = len(batch.rows)
        exchange = batch.exchange
        if exchange is not None and exchange.has_failed(batch.place, batch.place + count):
            return [Outcome(0, count, {}, None)]  # each of them is told something else
        try:
            if self._takes_requests:
                return self._each(batch, result)
            return [Outcome(0, count, self.outputs_of(batch, result), None)]
        except BaseException as error:
            return (yield from self._failed(batch, error, called=True))

    def _each(self, batch: Batch, results: Any) -> list[Outcome]:
        """The outcomes of a callable that takes requests one by one: one for each item of ``results``."""
        outcomes = []
        for index, result in enumerate(self.arguments.one_by_one(results, len(batch.rows))):
            try:
                if issubclass(type(result), Exception):
                    raise result
                place = batch.place + index
                told = batch.exchange is not None and batch.exchange.has_failed(place, place + 1)
                outputs = {} if told else self.outputs_of(batch.one(index, 0), result)
                outcomes.append(Outcome(index, 1, outputs, None))
            except Exception as error:
                outcomes.append(Outcome(index, 1, None, self._failure(error, 1)))
        return outcomes

    def _failed(self, batch: Batch, error: BaseException, *, called: bool) -> Call[list[Outcome]]:
        count = len(batch.rows)
        # What failed before the call was never seen by the callable, so calling alone repeats nothing.
        if not is_a(error, *ENDS, Cancelled) and count > 1 and (self._retry_alone or not called):
            self._log(logging.WARNING, f"a batch of {count} requests failed, each is called alone", error)
            return (yield from self._alone(batch))
        return [Outcome(0, count, None, self._failure(error, count))]

    def _alone(self, batch: Batch) -> Call[list[Outcome]]:
        outcomes = []
        start = 0
        if batch.exchange is not None:
            batch.exchange.forget(batch.place, batch.place + len(batch.rows))
        for index, rows in enumerate(batch.rows):
            (outcome,) = yield from self._call(batch.one(index, start))
            outcomes.append(Outcome(index, 1, outcome.outputs, outcome.error))
            start += rows
        return outcomes

    def _failure(self, error: BaseException, count: int) -> RequestFailure:
        if is_a(error, Cancelled):
            return RequestFailure("CANCELLED", f"model {self._model!r}: the request was cancelled")
        if is_a(error, *ENDS):
            self._log_end(error)
            raise error
        self._log(logging.ERROR, f"{count} requests failed" if count > 1 else "a request failed", error)
        return failure_of(error, self._model)

    def _log_end(self, error: BaseException) -> None:
        reason = ended_by(error, "its callable")
        if self._on_end is None or self._on_end(reason):
            report(logging.CRITICAL, "model %s: %s; this worker ends", self._model, reason, error=error)

    def _log(self, level: int, what: str, error: BaseException) -> None:
        # A RequestError is an answer, not a fault of the callable: nothing to trace.
        if not is_a(error, RequestError):
            remedy = f"; {READ_ONLY}" if writes_input(error) else ""
            report(level, "model %s: %s%s", self._model, what, remedy, error=error)


def _thrown(error: BaseException) -> BaseException:
    """``error`` as a generator can be told of it: GeneratorExit would end it."""
    if not is_a(error, GeneratorExit):
        return error
    failure = RuntimeError("GeneratorExit: raised by the callable")
    failure.__cause__ = error
    return failure


def cancelled(error: BaseException, *, is_unwanted: bool) -> BaseException:
    """What asyncio's ``error`` means: that nobody waits, or that the callable has cancelled something by itself."""
    if is_unwanted:
        return Cancelled()
    failure = RuntimeError("CancelledError: what the callable awaits was cancelled, and not for its clients")
    failure.__cause__ = error
    return failure


def run_batch(declaration: ModelDeclaration, callable_: Callable[..., Any], batch: Batch) -> list[Outcome]:
    """`CallPlan.run` for a single use."""
    return CallPlan(declaration, callable_).run(batch)
