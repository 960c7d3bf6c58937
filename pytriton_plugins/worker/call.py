"""Runs one batch through the marked callable, and each request alone after a failure; runs in the worker."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from pytriton_plugins.errors import RequestError
from pytriton_plugins.models import ModelDeclaration
from pytriton_plugins.worker.batch import ArgumentPlan
from pytriton_plugins.worker.failures import RequestFailure, failure_of
from pytriton_plugins.worker.outputs import OutputPlan

__all__ = ["Batch", "CallPlan", "Outcome", "RequestFailure", "run_batch"]

_LOG = logging.getLogger("pytriton.worker")


class Batch(NamedTuple):
    """One batch as it came from the backend.

    ``arrays``: by tensor name, wire shape, read-only; batched inputs have ``sum(rows)`` rows. ``rows`` and
    ``requested`` have one item per request; an unbatched batch is one request with ``rows == (1,)``.
    """

    arrays: dict[str, np.ndarray[Any, Any]]
    rows: tuple[int, ...]
    requested: tuple[frozenset[str], ...]


class Outcome(NamedTuple):
    """What became of the requests ``[first, first + requests)``: ``outputs`` of all their rows, or one ``error``."""

    first: int
    requests: int
    outputs: dict[str, np.ndarray[Any, Any]] | None
    error: RequestFailure | None


class CallPlan:
    """One declaration and its callable, with all that can be worked out before the first batch."""

    def __init__(self, declaration: ModelDeclaration, callable_: Callable[..., Any]) -> None:
        self._model = declaration.name
        self._batched = declaration.batched
        self._retry_alone = declaration.retry_alone
        self.callable = callable_
        self.arguments = ArgumentPlan(declaration).arguments
        self._checked = OutputPlan(declaration).checked

    def run(self, batch: Batch) -> list[Outcome]:
        """One outcome for the batch; after a failure in a batch of several, one for each request.

        Only exceptions derived from Exception are answers. Others (SystemExit) are logged and end the worker.
        """
        called = False
        try:
            arguments = self.arguments(batch.arrays)
            called = True
            result = self.callable(**arguments)
        except BaseException as error:
            return self.failed(batch, error, called=called)
        return self.finished(batch, result)

    def finished(self, batch: Batch, result: Any) -> list[Outcome]:
        """What `run` returns when the callable has returned ``result`` for the batch."""
        rows = batch.rows
        try:
            outputs = self._checked(result, sum(rows) if self._batched else None, batch.requested)
        except BaseException as error:
            return self.failed(batch, error)
        return [Outcome(0, len(rows), outputs, None)]

    def failed(self, batch: Batch, error: BaseException, *, called: bool = True) -> list[Outcome]:
        """What `run` returns, or raises, when the call for the batch, or what comes before it, has failed."""
        count = len(batch.rows)
        if not isinstance(error, Exception):
            _LOG.critical("model %s: the callable raised %s; this worker ends", self._model, type(error).__name__)
            raise error
        # What failed before the call was never seen by the callable, so calling alone repeats nothing.
        if count > 1 and (self._retry_alone or not called):
            self._log(logging.WARNING, f"a batch of {count} requests failed, each is called alone", error)
            return self._alone(batch)
        self._log(logging.ERROR, f"{count} requests failed" if count > 1 else "a request failed", error)
        return [Outcome(0, count, None, failure_of(error, self._model))]

    def _alone(self, batch: Batch) -> list[Outcome]:
        outcomes = []
        start = 0
        for index, rows in enumerate(batch.rows):
            arrays = {name: array[start : start + rows] for name, array in batch.arrays.items()}
            (outcome,) = self.run(Batch(arrays, (rows,), batch.requested[index : index + 1]))
            outcomes.append(Outcome(index, 1, outcome.outputs, outcome.error))
            start += rows
        return outcomes

    def _log(self, level: int, what: str, error: Exception) -> None:
        # A RequestError is an answer, not a fault of the callable: nothing to trace.
        if not isinstance(error, RequestError):
            _LOG.log(level, "model %s: %s", self._model, what, exc_info=error)


def run_batch(declaration: ModelDeclaration, callable_: Callable[..., Any], batch: Batch) -> list[Outcome]:
    """`CallPlan.run` for a single use."""
    return CallPlan(declaration, callable_).run(batch)
