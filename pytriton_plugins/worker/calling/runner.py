"""Runs one batch through the marked callable, and after a failure each of its requests alone."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from typing import Any, Protocol, TypeVar

import numpy as np

from pytriton_plugins.errors import ModelCallError, RequestError
from pytriton_plugins.model.call_rules import STRICT, CallRules
from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.text.exceptions import is_a
from pytriton_plugins.worker.calling.arguments import ArgumentBuilder
from pytriton_plugins.worker.calling.batch import Batch, Outcome
from pytriton_plugins.worker.calling.errors import (
    ENDS,
    READ_ONLY,
    Cancelled,
    RequestFailure,
    cancellation,
    end_reason,
    failure_of,
    writes_input,
)
from pytriton_plugins.worker.calling.lenient_outputs import output_checker
from pytriton_plugins.worker.log import report

T = TypeVar("T")
Steps = Generator[dict[str, Any], Any, T]
"""Yields keywords for the callable, is sent its result or thrown its exception, and returns the outcomes."""


class MarkedCallable(Protocol):
    """A marked function, or an instance of a marked class."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any: ...


class EndListener(Protocol):
    """Gets the reason why the worker ends, before it ends."""

    def report_end(self, reason: str) -> bool:
        """Whether the worker logs the reason itself."""


class BatchRunner:
    """Runs the batches of one declaration and its callable; all that needs no batch is computed once."""

    def __init__(
        self,
        declaration: ModelDeclaration,
        callable_: MarkedCallable,
        listener: EndListener | None = None,
        ends: tuple[type[BaseException], ...] = ENDS,
        rules: CallRules = STRICT,
    ) -> None:
        """``ends``: the exceptions of the callable that end the worker; every other one fails its requests."""
        self._listener = listener
        self._ends = ends
        self._model = declaration.name
        self._batched = declaration.batched
        # A second call would change the state of a sequence again.
        self._retry_alone = declaration.retry_alone and declaration.sequence is None
        self.callable = callable_
        self.arguments = ArgumentBuilder(declaration, rules)
        self.context = declaration.context
        self.undeclared: set[str] = set()
        """The models that were called although the declaration does not have them."""
        self._takes_requests = declaration.takes_requests
        self._check = output_checker(declaration).check
        if declaration.is_async:
            from asyncio import CancelledError  # costs memory that other workers do without

            self._cancelled = CancelledError

    def run(self, batch: Batch) -> list[Outcome]:
        """One outcome for the batch; after a failure in a batch of several, one for each request.

        Every exception becomes an error, except SystemExit and KeyboardInterrupt: they are logged and end the worker.
        """
        return self._drive(self._call(batch))

    async def run_async(self, batch: Batch, is_unwanted: Callable[[], bool]) -> list[Outcome]:
        """The same for a callable whose results are awaited.

        ``is_unwanted``: whether the task was cancelled because all clients have cancelled.
        """
        steps = self._call(batch)
        try:
            arguments = next(steps)
            while True:
                try:
                    if is_unwanted():
                        raise self._cancelled
                    result = await self.callable(**arguments)
                except self._cancelled as error:
                    arguments = steps.throw(cancellation(error, is_unwanted=is_unwanted()))
                except BaseException as error:
                    arguments = steps.throw(_throwable(error))
                else:
                    arguments = steps.send(result)
        except StopIteration as end:
            outcomes: list[Outcome] = end.value
            return outcomes

    def fail(self, batch: Batch, error: BaseException, *, called: bool = True) -> list[Outcome]:
        """The result of `run` when the call for the batch has failed, or its preparation; raises as `run` does."""
        return self._drive(self._failed(batch, error, called=called))

    def finish(self, batch: Batch, result: Any) -> list[Outcome]:
        """The result of `run` when the callable has returned ``result`` for the batch."""
        return self._drive(self._finished(batch, result))

    def checked_outputs(self, batch: Batch, result: Any) -> dict[str, np.ndarray[Any, Any]]:
        """The checked outputs in one ``result`` for all of the batch; raises ResultError."""
        return self._check(result, sum(batch.rows) if self._batched else None, batch.requested)

    def checked_part(self, batch: Batch, result: Any) -> dict[str, np.ndarray[Any, Any]]:
        """The checked outputs in one response of a stream; raises ResultError, RequestError or what it holds."""
        if not self._takes_requests:
            return self.checked_outputs(batch, result)
        (part,) = self.arguments.check_results(result, 1)
        if issubclass(type(part), Exception):
            raise part
        return self.checked_outputs(batch, part)

    def failure(self, error: BaseException) -> RequestFailure:
        """The client's error for one failed request, which is logged; raises ``error`` again if it ends the worker."""
        return self._failure(error, 1)

    def _drive(self, steps: Steps[list[Outcome]]) -> list[Outcome]:
        try:
            arguments = next(steps)
            while True:
                try:
                    result = self.callable(**arguments)
                except BaseException as error:
                    arguments = steps.throw(_throwable(error))
                else:
                    arguments = steps.send(result)
        except StopIteration as end:
            outcomes: list[Outcome] = end.value
            return outcomes

    def _call(self, batch: Batch) -> Steps[list[Outcome]]:
        called = False
        try:
            arguments = self.arguments.build(batch)
            called = True
            result = yield arguments
        except BaseException as error:
            return (yield from self._failed(batch, error, called=called))
        return (yield from self._finished(batch, result))

    def _finished(self, batch: Batch, result: Any) -> Steps[list[Outcome]]:
        count = len(batch.rows)
        state = batch.state
        if state is not None and state.has_failed(batch.first, batch.first + count):
            return [Outcome(0, count, {}, None)]  # the callable has failed each of them
        try:
            if self._takes_requests:
                return self._outcomes(batch, result)
            return [Outcome(0, count, self.checked_outputs(batch, result), None)]
        except BaseException as error:
            return (yield from self._failed(batch, error, called=True))

    def _outcomes(self, batch: Batch, results: Any) -> list[Outcome]:
        """One outcome for each item of ``results``, of a callable that takes requests one by one."""
        outcomes = []
        for index, result in enumerate(self.arguments.check_results(results, len(batch.rows))):
            try:
                if issubclass(type(result), Exception):
                    raise result
                place = batch.first + index
                failed = batch.state is not None and batch.state.has_failed(place, place + 1)
                outputs = {} if failed else self.checked_outputs(batch.single(index, 0), result)
                outcomes.append(Outcome(index, 1, outputs, None))
            except Exception as error:
                outcomes.append(Outcome(index, 1, None, self._failure(error, 1)))
        return outcomes

    def _failed(self, batch: Batch, error: BaseException, *, called: bool) -> Steps[list[Outcome]]:
        count = len(batch.rows)
        # If the callable has not run yet, single calls repeat none of its effects.
        retries = count > 1 and (self._retry_alone or not called) and not _is_cancelled_call(error)
        if retries and not is_a(error, *self._ends, Cancelled):
            self._log(logging.WARNING, f"a batch of {count} requests failed; each request runs alone", error)
            return (yield from self._run_alone(batch))
        return [Outcome(0, count, None, self._failure(error, count))]

    def _run_alone(self, batch: Batch) -> Steps[list[Outcome]]:
        outcomes = []
        start = 0
        if batch.state is not None:
            batch.state.reset(batch.first, batch.first + len(batch.rows))
        for index, rows in enumerate(batch.rows):
            if batch.state is not None:
                batch.state.run_alone(batch.first + index)
            (outcome,) = yield from self._call(batch.single(index, start))
            outcomes.append(Outcome(index, 1, outcome.outputs, outcome.error))
            start += rows
        return outcomes

    def _failure(self, error: BaseException, count: int) -> RequestFailure:
        if is_a(error, Cancelled):
            return RequestFailure("CANCELLED", f"model {self._model!r}: the request was cancelled")
        if is_a(error, *self._ends):
            self._report_end(error)
            raise error
        self._log(logging.ERROR, f"{count} requests failed" if count > 1 else "a request failed", error)
        return failure_of(error, self._model)

    def _report_end(self, error: BaseException) -> None:
        reason = end_reason(error, "its callable")
        if self._listener is None or self._listener.report_end(reason):
            report(logging.CRITICAL, "model %s: %s; this worker ends", self._model, reason, error=error)

    def _log(self, level: int, event: str, error: BaseException) -> None:
        # A RequestError is an answer, not a fault of the callable, and so is that of a called model: no traceback.
        is_answer = is_a(error, ModelCallError) and getattr(error, "code", "") in ("INVALID_ARG", "CANCELLED")
        if not is_answer and not is_a(error, RequestError):
            remedy = f"; {READ_ONLY}" if writes_input(error) else ""
            report(level, "model %s: %s%s", self._model, event, remedy, error=error)


def _is_cancelled_call(error: BaseException) -> bool:
    """Whether it tells the callable that no client waits any more."""
    return is_a(error, ModelCallError) and getattr(error, "code", "") == "CANCELLED"


def _throwable(error: BaseException) -> BaseException:
    """``error``, or one in its place that can be thrown into a generator: GeneratorExit would end it."""
    if not is_a(error, GeneratorExit):
        return error
    failure = RuntimeError("GeneratorExit: raised by the callable")
    failure.__cause__ = error
    return failure
