"""Worker processes: their starts and ends, the answers to an end, and the requests inside a worker."""

from __future__ import annotations

import attrs


@attrs.frozen
class WorkerInfo:
    """One worker process. ``model`` is None until its model is known; ``pid`` is 0 before its start."""

    number: int
    pid: int
    plugin: str
    model: str | None
    version: int | None


@attrs.frozen
class WorkerExit:
    """The end of a worker: ``status`` as `subprocess` gives it (negative: a signal), and its meaning in words.

    ``uptime`` in seconds; ``expected``: the daemon ended it; ``at`` is a reading of the monotonic clock.
    """

    status: int
    description: str
    uptime: float
    expected: bool
    at: float


@attrs.frozen
class Restart:
    """Answer to the end of a worker: start another in its place, ``after`` seconds."""

    after: float

    def __attrs_post_init__(self) -> None:
        if not 0 <= self.after <= 3600:
            raise ValueError(f"Restart: after is {self.after!r}; write seconds from 0 to 3600")


@attrs.frozen
class GiveUp:
    """Answer to the end of a worker: stop serving the model. Its requests fail with ``reason``."""

    reason: str


@attrs.frozen
class StopHost:
    """Answer to the end of a worker: stop the daemon in order, with exit code 1."""

    reason: str


RestartAction = Restart | GiveUp | StopHost


@attrs.frozen
class RequestInfo:
    """One request as a worker sees it.

    ``number`` counts the worker's requests, ``batch`` the requests of its batch. ``rows`` is its size along the batch
    axis, 1 for a model without one.
    """

    model: str
    version: int
    number: int
    rows: int
    batch: int


@attrs.frozen
class ResponseInfo:
    """The outcome of a request, ``seconds`` after its worker got it; ``code`` and ``message`` are empty if it is ok."""

    ok: bool
    seconds: float
    code: str = ""
    message: str = ""
