"""The values that hooks receive and answer with, all frozen; made and read in the host process."""

from __future__ import annotations

from typing import Literal

import attrs

MIB = 1 << 20
OnFull = Literal["reject", "wait"]


@attrs.frozen
class Ports:
    """The three ports that tritonserver listens on; 0 means any free port."""

    http: int
    grpc: int
    metrics: int

    def __attrs_post_init__(self) -> None:
        for name, port in attrs.asdict(self).items():
            if isinstance(port, bool) or not isinstance(port, int) or not 0 <= port <= 65535:
                raise ValueError(f"Ports: {name} is {port!r}; write a whole number from 0 (any free port) to 65535")


@attrs.frozen
class ShmPolicy:
    """How much shared memory one model may have and how it grows; asked once per model, before its first segment.

    ``initial`` and ``max`` are bytes in all: shared by the model's channels and both directions. A new segment
    is ``growth`` times the one that it replaces, or as large as the batch that asks for it. At ``max`` a batch is
    refused; ``on_full="wait"``, ``wait`` and ``trim_after`` (seconds) are checked but not acted on yet.
    """

    initial: int = 16 * MIB
    max: int = 2048 * MIB
    growth: float = 2.0
    on_full: OnFull = "reject"
    wait: float = 1.0
    trim_after: float = 60.0

    def __attrs_post_init__(self) -> None:
        if self.initial <= 0 or self.max < self.initial:
            raise ValueError(f"ShmPolicy: initial is {self.initial} and max {self.max} bytes; write 0 < initial <= max")
        if self.growth < 1 or self.wait < 0 or self.trim_after < 0:
            raise ValueError("ShmPolicy: growth must be at least 1, wait and trim_after at least 0 seconds")
        if self.on_full not in ("reject", "wait"):
            raise ValueError(f"ShmPolicy: on_full is {self.on_full!r}; write 'reject' or 'wait'")


@attrs.frozen
class Verdict:
    """One answer to a health question; ``reason`` is shown in the status and the log when ``ok`` is false."""

    ok: bool
    reason: str = ""

    def __attrs_post_init__(self) -> None:
        if not isinstance(self.ok, bool) or not isinstance(self.reason, str):
            raise TypeError(f"Verdict({self.ok!r}, {self.reason!r}): write Verdict(True) or Verdict(False, 'reason')")


@attrs.frozen
class ModelStatus:
    """One model as the host sees it now: ``workers`` counts the live ones, ``reason`` says why it is not ready."""

    name: str
    version: int
    ready: bool
    workers: int
    reason: str = ""


@attrs.frozen
class HostStatus:
    """The daemon as it sees itself now; ``models`` are sorted by name and version."""

    models: tuple[ModelStatus, ...] = ()
    state: Literal["starting", "serving", "draining"] = "starting"
