"""One batch of requests, and the outcome of its requests."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from pytriton_plugins.worker.calling.errors import RequestFailure
from pytriton_plugins.worker.calling.request_state import RequestState


class Batch(NamedTuple):
    """One batch from the backend, or some of its requests: then ``first`` is the place of the first one.

    ``arrays``: by tensor name, wire shape, read-only; batched inputs have ``sum(rows)`` rows. ``rows`` and
    ``requested`` have one item per request; an unbatched batch is one request with ``rows == (1,)``. Where the callable
    takes requests one by one, ``separate`` has the arrays of each. ``state``: what a `Context` reads and changes.
    """

    arrays: dict[str, np.ndarray[Any, Any]]
    rows: tuple[int, ...]
    requested: tuple[frozenset[str], ...]
    separate: tuple[dict[str, np.ndarray[Any, Any]], ...] = ()
    state: RequestState | None = None
    first: int = 0

    def single(self, index: int, start: int) -> Batch:
        """Request ``index``, whose rows begin at ``start``, as a batch of its own."""
        rows = self.rows[index]
        arrays = {name: array[start : start + rows] for name, array in self.arrays.items()}
        one = slice(index, index + 1)
        return Batch(arrays, (rows,), self.requested[one], self.separate[one], self.state, self.first + index)


class Outcome(NamedTuple):
    """The outcome of requests ``[first, first + requests)``: ``outputs`` with all their rows, or one ``error``."""

    first: int
    requests: int
    outputs: dict[str, np.ndarray[Any, Any]] | None
    error: RequestFailure | None
