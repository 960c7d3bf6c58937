"""`Context` and `Request`: what a callable sees of its requests beside their tensors, and sets on their responses."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pytriton_plugins.errors import ErrorCode, RequestError, known_keywords

if TYPE_CHECKING:
    from pytriton_plugins.shm.details import Value
    from pytriton_plugins.worker.calling.request_state import RequestState
    from pytriton_plugins.worker.metrics.registry import Metrics
    from pytriton_plugins.worker.nested.models import Models


_LOCK = threading.Lock()


class CurrentSequence:
    """The sequence that a request belongs to: ``ctx.sequence``, and ``request.sequence`` in a list of requests."""

    __slots__ = ("_place", "_state")

    def __init__(self, state: RequestState, place: int) -> None:
        self._state = state
        self._place = place

    @property
    def id(self) -> int | str:
        """The id that the client gave it."""
        return self._state.detail(self._place).correlation_id

    @property
    def start(self) -> bool:
        """Whether this is its first request; ``state`` is empty then."""
        return self._state.detail(self._place).sequence_start

    @property
    def end(self) -> bool:
        """Whether this is its last request; ``state`` is dropped after it."""
        return self._state.detail(self._place).sequence_end

    @property
    def state(self) -> dict[Any, Any]:
        """A dict of this sequence: made at its start, dropped at its end or after ``max_idle``."""
        return self._state.sequence_state(self._place)


class Request(Mapping[str, Any]):
    """One request of a batch: a read-only mapping of its ``inputs``, always true, and equal to itself only.

    ``rows``: its part of the batch axis; ``slice(0, 1)`` without a batch axis. ``inputs``: its tensors by name in a
    callable that takes ``list[Request]``; empty in any other. An optional input that is absent is not among them.
    """

    __slots__ = ("_place", "_state", "inputs", "requested_outputs", "rows")

    def __init__(
        self, state: RequestState, place: int, rows: slice, requested: frozenset[str], inputs: Mapping[str, Any]
    ) -> None:
        self._state = state
        self._place = place
        self.rows = rows
        self.requested_outputs = requested
        self.inputs = inputs

    # A mapping's own would compare arrays.
    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def __getitem__(self, name: str) -> Any:
        return self.inputs[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.inputs)

    def __len__(self) -> int:
        return len(self.inputs)

    def __bool__(self) -> bool:
        return True

    @property
    def id(self) -> str:
        """The id that the client gave it; empty for none."""
        return self._state.detail(self._place).id

    @property
    def correlation_id(self) -> int | str:
        """The sequence that it belongs to; 0 for none."""
        return self._state.detail(self._place).correlation_id

    @property
    def sequence_start(self) -> bool:
        """Whether its client says that it is the first of its sequence."""
        return self._state.detail(self._place).sequence_start

    @property
    def sequence_end(self) -> bool:
        """Whether its client says that it is the last of its sequence."""
        return self._state.detail(self._place).sequence_end

    @property
    def sequence(self) -> CurrentSequence:
        """The sequence that it belongs to; raises RuntimeError in a model without ``sequence=``."""
        self._state.check_sequences()
        return CurrentSequence(self._state, self._place)

    @property
    def timeout(self) -> float | None:
        """The timeout that its client set, in seconds (tritonclient takes microseconds); None for none."""
        timeout = self._state.detail(self._place).timeout
        return timeout / 1e6 if timeout else None

    @property
    def parameters(self) -> dict[str, Value]:
        """The parameters that the client sent, without headers."""
        return self._state.parameters(self._place)

    @property
    def headers(self) -> dict[str, str]:
        """HTTP headers and gRPC metadata that the daemon forwards (``forward_headers``), by lower-case name."""
        return self._state.headers(self._place)

    @property
    def deadline(self) -> float | None:
        """The time of `time.monotonic` at which the model's ``timeout`` for the batch ends; None without a timeout."""
        return self._state.deadline

    @property
    def cancelled(self) -> bool:
        """Whether its client has cancelled it or disconnected (gRPC and streams; Triton does not see it for HTTP)."""
        return self._state.is_cancelled(self._place)

    @known_keywords("Request.fail", TypeError)
    def fail(self, message: str, *, code: ErrorCode = "INVALID_ARG") -> None:
        """Answer this request alone with an error; what is returned for its rows is dropped.

        It ends a stream. Raises RuntimeError once the request is answered, as `set` does.
        """
        self._state.fail(self._place, RequestError(message, code))

    def set(self, name: str, value: Value) -> None:
        """Set a parameter of its response, in a stream of the next response; at most 64.

        ``name``: up to 256 bytes of UTF-8; texts up to 4096 bytes, numbers of 64 bits. A second value for a name
        replaces the first. Raises TypeError or ValueError for a value that cannot be sent.
        """
        self._state.set(self._place, name, value)


class Context:
    """Passed to the parameter that is annotated ``Context``: one for each call."""

    __slots__ = ("_requests", "_state")

    def __init__(self, state: RequestState, requests: Sequence[Request] | Callable[[], Sequence[Request]]) -> None:
        """``requests``: a function that is called once makes them when they are asked for."""
        self._state = state
        self._requests = requests

    @property
    def requests(self) -> Sequence[Request]:
        """The requests of the batch, in the order of their rows."""
        if callable(self._requests):
            with _LOCK:  # the same ones for all threads of the callable
                if callable(self._requests):
                    self._requests = self._requests()
        return self._requests

    @property
    def requested_outputs(self) -> frozenset[str]:
        """The outputs that at least one of the requests asks for."""
        return frozenset().union(*(request.requested_outputs for request in self.requests))

    @property
    def cancelled(self) -> bool:
        """Whether all requests are cancelled."""
        return all(request.cancelled for request in self.requests)

    @property
    def deadline(self) -> float | None:
        """The time of `time.monotonic` at which the model's ``timeout`` for the batch ends; None without a timeout."""
        return self._state.deadline

    @property
    def sequence(self) -> CurrentSequence:
        """The sequence of the call's only request.

        Raises RuntimeError in a model without ``sequence=``, and in a call with several requests: each has its own.
        """
        if len(self.requests) > 1:
            raise RuntimeError("ctx.sequence: the call has several requests; use the sequence of each request")
        return self.requests[0].sequence

    @property
    def worker(self) -> int:
        """The place of this worker among those of its model, from 0; that of a callable in the list that is attached.

        A worker that replaces another one has the same: a model with a worker for each device can choose by it.
        """
        return self._state.worker

    @property
    def metrics(self) -> Metrics:
        """Counters, gauges and histograms, which the metrics port shows; they can be used after the call too."""
        return self._state.metrics

    @property
    def models(self) -> Models:
        """The models of this Triton: ``ctx.models["resnet"](pixels=…)["scores"]``.

        Raises RuntimeError once the batch is answered, and during warm-up.
        """
        return self._state.models

    def empty(self, name: str, shape: tuple[int, ...]) -> Any:
        """An array for output ``name`` in the response's own memory: when it is returned, it is not copied.

        ``shape`` includes the batch axis, the dtype is the declared one, and the content is undefined. An array that
        the callable keeps is not changed later. In a stream, and where the segment has no space, the array is in
        ordinary memory and is copied. Raises ValueError for an output that is not declared or that holds strings,
        RuntimeError once the batch is answered.
        """
        return self._state.empty(name, shape)
