"""The values that hooks receive and answer with, all frozen; in the host process, the last two in workers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import attrs

from pytriton_plugins.config.mappings import copied, merge

MIB = 1 << 20
OnFull = Literal["reject", "wait"]
LONGEST_WAIT = 4.0
"""Seconds that a batch may wait for shared memory: who asks for it waits 5 for the answer."""

HostState = Literal["starting", "serving", "draining", "stopped"]


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
class Drain:
    """Seconds of a stop: ``delay`` it serves on, ``timeout`` for what is in flight; after ``grace`` it is killed."""

    delay: float
    timeout: float
    grace: float | None = None

    def __attrs_post_init__(self) -> None:
        for name, value in attrs.asdict(self).items():
            number = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < float("inf")
            if not number and (name, value) != ("grace", None):
                raise ValueError(f"Drain: {name} is {value!r}; write a number of seconds from 0 up")


@attrs.frozen
class ServerOptions:
    """What tritonserver is started with beside what the daemon itself sets: names without dashes, and values."""

    items: tuple[tuple[str, str], ...] = ()

    def __attrs_post_init__(self) -> None:
        for item in self.items:
            if not isinstance(item, tuple) or [type(part) for part in item] != [str, str] or not item[0].strip("-"):
                raise ValueError(f'ServerOptions: {item!r} is no option; write for example ("log-verbose", "1")')

    def having(self, name: str, value: str) -> ServerOptions:
        """The same with ``name`` set to ``value`` and to nothing else."""
        return ServerOptions((*self.without(name).items, (name, value)))

    def without(self, name: str) -> ServerOptions:
        """The same with no ``name``."""
        return ServerOptions(tuple(item for item in self.items if item[0] != name))


@attrs.frozen
class ModelConfig:
    """Triton's configuration of one model, as the JSON value that its load call takes (``max_batch_size``, …)."""

    values: Mapping[str, Any] = attrs.field(converter=copied)

    def merged(self, changes: Mapping[str, Any]) -> ModelConfig:
        """The same with ``changes`` put over it: tables are merged, everything else is replaced."""
        return ModelConfig(merge(dict(self.values), changes))


@attrs.frozen
class ShmPolicy:
    """How much shared memory one model may have and how it grows; asked once per model, before its first segment.

    ``initial`` and ``max`` are bytes in all: shared by the model's channels and both directions. A new segment
    is ``growth`` times the one that it replaces, or as large as the batch that asks for it. At ``max`` a batch is
    refused, or with ``on_full="wait"`` waits up to ``wait`` seconds for room; after ``trim_after`` seconds without a
    batch a worker's segments give their memory back and stay as large as they are (0: never).

    ``lend``: where clients may use their own shared memory (``--allow shared-memory``), a large input that lies there
    is not copied: the callable reads the client's memory, and sees what the client changes there before the answer.
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
        if self.wait > LONGEST_WAIT:
            raise ValueError(f"ShmPolicy: wait is {self.wait:g} seconds; {LONGEST_WAIT:g} are the most")
        if self.on_full not in ("reject", "wait"):
            raise ValueError(f"ShmPolicy: on_full is {self.on_full!r}; write 'reject' or 'wait'")


@attrs.frozen
class ShmUse:
    """The shared memory of one model, all of its segments together, in bytes.

    ``initial`` is what it starts with, ``max`` its limit, ``in_use`` what its segments have now, and ``touched`` the
    memory that stands behind them: what no batch has touched costs nothing.
    """

    initial: int = 0
    in_use: int = 0
    touched: int = 0
    max: int = 0


@attrs.frozen
class Shortage:
    """A batch asks for more shared memory than there may be; all sizes are bytes.

    ``needed`` in one piece, ``in_use`` by the model beside it, ``left`` on the machine or in the container; ``policy``
    is the model's, whose ``max`` is the limit that stands in the way unless the machine's does.
    """

    needed: int
    in_use: int
    left: int
    policy: ShmPolicy

    @property
    def over_limit(self) -> bool:
        """Whether it is the model's limit that stands in the way, and not the machine's memory."""
        return self.in_use + self.needed > self.policy.max


@attrs.frozen
class Grow:
    """Answer to a shortage: the model's limit is ``max`` bytes from now on. What the machine lacks it still lacks."""

    max: int

    def __attrs_post_init__(self) -> None:
        if isinstance(self.max, bool) or not isinstance(self.max, int) or self.max <= 0:
            raise ValueError(f"Grow: max is {self.max!r}; write a number of bytes above 0")


@attrs.frozen
class Wait:
    """Answer to a shortage: try again for ``seconds``, at most 4, then refuse the batch."""

    seconds: float

    def __attrs_post_init__(self) -> None:
        if not 0 < self.seconds <= 4:
            raise ValueError(f"Wait: seconds is {self.seconds!r}; write a number above 0, at most 4")


@attrs.frozen
class Reject:
    """Answer to a shortage: refuse the batch; ``reason`` is added to what its client is told."""

    reason: str = ""


FullAction = Grow | Wait | Reject


@attrs.frozen
class WorkerInfo:
    """One worker process. ``model`` is None until it is known which model it serves; ``pid`` 0 before its start."""

    number: int
    pid: int
    plugin: str
    model: str | None
    version: int | None


@attrs.frozen
class WorkerExit:
    """The end of a worker: ``status`` as `subprocess` gives it (negative: a signal), and what that means in words.

    ``uptime`` in seconds; ``expected``: the daemon ended it; ``at`` is a reading of the monotonic clock.
    """

    status: int
    description: str
    uptime: float
    expected: bool
    at: float


@attrs.frozen
class Restart:
    """Start another worker in the place of one that ended, ``after`` seconds."""

    after: float

    def __attrs_post_init__(self) -> None:
        if not 0 <= self.after <= 3600:
            raise ValueError(f"Restart: after is {self.after!r}; write seconds from 0 to 3600")


@attrs.frozen
class GiveUp:
    """Serve the model no more: its requests fail with ``reason``; the other models serve on."""

    reason: str


@attrs.frozen
class StopHost:
    """Stop the daemon in order, with exit code 1."""

    reason: str


RestartAction = Restart | GiveUp | StopHost


@attrs.frozen
class Verdict:
    """One answer to a health question; ``reason`` is shown in the status and the log when ``ok`` is false."""

    ok: bool
    reason: str = ""

    def __attrs_post_init__(self) -> None:
        if not isinstance(self.ok, bool) or not isinstance(self.reason, str):
            raise TypeError(f"Verdict({self.ok!r}, {self.reason!r}): write Verdict(True) or Verdict(False, 'reason')")


@attrs.frozen
class NamedVerdict:
    """A verdict and whose it is: ``source`` is ``host``, ``model NAME`` or a hook plugin's name."""

    source: str
    verdict: Verdict


@attrs.frozen
class ModelStatus:
    """One model as the host sees it now: ``workers`` counts the live ones, ``reason`` says why it is not ready.

    ``memory`` is its shared memory.
    """

    name: str
    version: int
    ready: bool
    workers: int
    reason: str = ""
    memory: ShmUse = ShmUse()


@attrs.frozen
class HostStatus:
    """The daemon as it sees itself now; ``models`` by name and version, ``ports`` None before they are known."""

    models: tuple[ModelStatus, ...] = ()
    state: HostState = "starting"
    address: str = ""
    ports: Ports | None = None
    run_dir: Path | None = None


@attrs.frozen
class RequestInfo:
    """One request as a worker sees it: ``number`` counts the worker's requests, ``batch`` is how many came together.

    ``rows`` is its size along the batch axis, 1 for a model without one.
    """

    model: str
    version: int
    number: int
    rows: int
    batch: int


@attrs.frozen
class ResponseInfo:
    """What became of a request ``seconds`` after its worker had it; no ``code`` and ``message`` if it succeeded."""

    ok: bool
    seconds: float
    code: str = ""
    message: str = ""
