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

__all__ = ["Batch", "CallPlan", "Outcome", "RequestFailure", "caller", "run_batch"]

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
        self._callable = callable_
        self._arguments = ArgumentPlan(declaration).arguments
        self._checked = OutputPlan(declaration).checked

    def run(self, batch: Batch) -> list[Outcome]:
        """One outcome for the batch; after a failure in a batch of several, one for each request.

        Only exceptions derived from Exception are answers. Others (SystemExit) are logged and end the worker.
        """
        rows = batch.rows
        count = len(rows)
        called = False
        try:
            arguments = self._arguments(batch.arrays)
            called = True
            result = self._callable(**arguments)
            outputs = self._checked(result, sum(rows) if self._batched else None, batch.requested)
        except Exception as error:
            # What failed before the call was never seen by the callable, so calling alone repeats nothing.
            if count > 1 and (self._retry_alone or not called):
                self._log(logging.WARNING, f"a batch of {count} requests failed, each is called alone", error)
            else:
                self._log(logging.ERROR, f"{count} requests failed" if count > 1 else "a request failed", error)
                return [Outcome(0, count, None, failure_of(error, self._model))]
        except BaseException as error:
            _LOG.critical("model %s: the callable raised %s; this worker ends", self._model, type(error).__name__)
            raise
        else:
            return [Outcome(0, count, outputs, None)]
        return self._alone(batch)

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


def caller(declaration: ModelDeclaration, callable_: Callable[..., Any]) -> Callable[[Batch], list[Outcome]]:
    """What runs each batch of one worker through ``callable_``."""
    return CallPlan(declaration, callable_).run


def run_batch(declaration: ModelDeclaration, callable_: Callable[..., Any], batch: Batch) -> list[Outcome]:
    """`CallPlan.run` for a single use."""
    return CallPlan(declaration, callable_).run(batch)
