"""Shared memory: a model's policy and use, a shortage, and the answers to it."""

from __future__ import annotations

from typing import Literal

import attrs

MIB = 1 << 20
OnFull = Literal["reject", "wait"]
MAX_WAIT = 4.0
"""Seconds that a batch may wait for shared memory: its worker waits 5 for the answer."""


@attrs.frozen
class ShmPolicy:
    """How much shared memory one model may have and how it grows; chosen once per model, before its first segment.

    ``initial`` and ``max`` are bytes in all: shared by the model's channels and both directions. A new segment
    is ``growth`` times the one that it replaces, or as large as the batch that asks for it. At ``max`` a batch is
    refused, or with ``on_full="wait"`` waits up to ``wait`` seconds for room; after ``trim_after`` seconds without a
    batch a worker's segments release their memory and keep their size (0: never).

    ``lend``: where clients may use their own shared memory (``--allow shared-memory``), a large input in it is not
    copied: the callable reads the client's memory, and sees changes that the client makes before the answer.
    Without ``--allow shared-memory`` it has no effect.
    """

    initial: int = 16 * MIB
    max: int = 2048 * MIB
    growth: float = 2.0
    on_full: OnFull = "reject"
    wait: float = 1.0
    trim_after: float = 60.0
    lend: bool = True

    def __attrs_post_init__(self) -> None:
        if self.initial <= 0 or self.max < self.initial:
            raise ValueError(f"ShmPolicy: initial is {self.initial} and max {self.max} bytes; write 0 < initial <= max")
        if self.growth < 1 or self.wait < 0 or self.trim_after < 0:
            raise ValueError("ShmPolicy: growth must be at least 1, wait and trim_after at least 0 seconds")
        if self.wait > MAX_WAIT:
            raise ValueError(f"ShmPolicy: wait is {self.wait:g} seconds; write at most {MAX_WAIT:g}")
        if self.on_full not in ("reject", "wait"):
            raise ValueError(f"ShmPolicy: on_full is {self.on_full!r}; write 'reject' or 'wait'")


@attrs.frozen
class ShmUse:
    """The shared memory of one model, all of its segments together, in bytes.

    ``initial`` is the size at the start, ``max`` the limit, ``in_use`` the size of its segments now, and ``touched``
    their memory that batches have used: the rest costs nothing.
    """

    initial: int = 0
    in_use: int = 0
    touched: int = 0
    max: int = 0


@attrs.frozen
class Shortage:
    """A batch asks for more shared memory than is available; all sizes are bytes.

    ``needed`` in one piece, ``in_use`` by the model already, ``left`` on the machine or in the container. The limit
    that is exceeded is ``policy.max``, or that of the machine.
    """

    needed: int
    in_use: int
    left: int
    policy: ShmPolicy

    @property
    def over_limit(self) -> bool:
        """Whether the model's limit is exceeded, and not the machine's memory."""
        return self.in_use + self.needed > self.policy.max


@attrs.frozen
class Grow:
    """Answer to a shortage: the model's limit is ``max`` bytes from now on. The machine's limit stays."""

    max: int

    def __attrs_post_init__(self) -> None:
        if isinstance(self.max, bool) or not isinstance(self.max, int) or self.max <= 0:
            raise ValueError(f"Grow: max is {self.max!r}; write a number of bytes above 0")


@attrs.frozen
class Wait:
    """Answer to a shortage: try again for ``seconds``, at most 4, then refuse the batch."""

    seconds: float

    def __attrs_post_init__(self) -> None:
        if not 0 < self.seconds <= MAX_WAIT:
            raise ValueError(f"Wait: seconds is {self.seconds!r}; write a number above 0, at most {MAX_WAIT:g}")


@attrs.frozen
class Reject:
    """Answer to a shortage: refuse the batch; ``reason`` is added to the message that its client gets."""

    reason: str = ""


FullAction = Grow | Wait | Reject
