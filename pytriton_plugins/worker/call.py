"""Runs one batch through the marked callable, and each request alone after a failure; runs in the worker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pytriton_plugins.worker.failures import RequestFailure

__all__ = ["Batch", "Outcome", "RequestFailure"]


@dataclass(frozen=True)
class Batch:
    """One batch as it came from the backend.

    ``arrays``: by tensor name, wire shape, read-only; batched inputs have ``sum(rows)`` rows. ``rows`` and
    ``requested`` have one item per request; an unbatched batch is one request with ``rows == (1,)``.
    """

    arrays: dict[str, np.ndarray[Any, Any]]
    rows: tuple[int, ...]
    requested: tuple[frozenset[str], ...]


@dataclass(frozen=True)
class Outcome:
    """What became of the requests ``[first, first + count)``: ``outputs`` of all their rows, or one ``error``."""

    first: int
    count: int
    outputs: dict[str, np.ndarray[Any, Any]] | None
    error: RequestFailure | None
