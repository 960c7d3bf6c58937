"""`Sequence`: how a model that keeps state between requests declares it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, get_args

from pytriton_plugins.errors import DeclarationError

Strategy = Literal["oldest", "direct"]
"""The scheduling strategies of Triton's sequence batcher."""

MIN_IDLE, MAX_IDLE = 0.05, 7 * 86400
"""Seconds."""

MAX_LIVE = 65536
"""Each live sequence has a slot in Triton, and its state in a worker."""

DIRECT_INSTANCES = 32
"""Instances of a model with the direct strategy; each has max_batch_size slots, and a slot serves one sequence."""


@dataclass(frozen=True)
class Sequence:
    """The requests of a client that share a state: the value of ``sequence`` in `infer_func`.

    ``max_idle``: seconds without a request after which a sequence ends, 0.05 to 604800. ``max_live``: sequences that
    may be live at a time, in all workers together; the start of one more fails. ``strategy``: of Triton's sequence
    batcher. Raises DeclarationError.
    """

    max_idle: float = 60.0
    max_live: int = 256
    strategy: Strategy = "oldest"

    def __post_init__(self) -> None:
        problem = sequence_value_problem(self)
        if problem:
            raise DeclarationError(f"Sequence: {problem}")


def sequence_value_problem(sequence: Sequence) -> str:
    """What is wrong with a value of ``sequence``; empty for nothing."""
    idle, live = sequence.max_idle, sequence.max_live
    if type(idle) not in (int, float) or not MIN_IDLE <= idle <= MAX_IDLE:
        return f"max_idle={idle!r}; write seconds from {MIN_IDLE} to {MAX_IDLE}"
    if type(live) is not int or not 1 <= live <= MAX_LIVE:
        return f"max_live={live!r}; write a whole number from 1 to {MAX_LIVE}"
    if sequence.strategy not in get_args(Strategy):
        return f'strategy={sequence.strategy!r}; write "oldest" or "direct"'
    return ""


def direct_instances(sequence: Sequence, max_batch_size: int) -> int:
    """Instances with two slots for each live sequence, and with fewer only where these would be too many instances.

    A start that is refused has a slot until Triton finds it idle, and without a free one the next start waits.
    """
    wanted = math.ceil(2 * sequence.max_live / max(1, max_batch_size))
    return max(_least_instances(sequence, max_batch_size), min(wanted, DIRECT_INSTANCES))


def _least_instances(sequence: Sequence, max_batch_size: int) -> int:
    """Those whose slots are more than the live sequences."""
    return sequence.max_live // max(1, max_batch_size) + 1


def direct_problem(sequence: Sequence | None, max_batch_size: int) -> str:
    """Why the direct strategy has too few slots for ``max_live``; empty if it has enough."""
    if sequence is None or sequence.strategy != "direct":
        return ""
    if _least_instances(sequence, max_batch_size) <= DIRECT_INSTANCES:
        return ""
    most = (DIRECT_INSTANCES - 1) * max(1, max_batch_size)
    return (
        f"sequence: max_live={sequence.max_live} is too much for the direct strategy with "
        f'max_batch_size={max_batch_size}; write max_live={most} at most, or strategy="oldest"'
    )


def read_sequence(plain: Any) -> Sequence | None:
    """The sequence of a declaration as JSON; raises TypeError or DeclarationError."""
    return None if plain is None else Sequence(**plain)
