"""What a callable can see of its requests beside their tensors, and say of their responses; made in workers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pytriton_plugins.errors import ErrorCode, RequestError
from pytriton_plugins.model.keywords import known_keywords

if TYPE_CHECKING:
    from pytriton_plugins.shm.details import Value
    from pytriton_plugins.worker.calling.request_state import RequestState
    from pytriton_plugins.worker.metrics.registry import Metrics


class Request:
    """One request of a batch.

    ``rows``: its part of the batch axis; without one ``slice(0, 1)``. ``inputs``: its tensors by name, in a callable
    that takes ``list[Request]``; else none.
    """

    __slots__ = ("_exchange", "_place", "inputs", "requested_outputs", "rows")

    def __init__(
        self, exchange: RequestState, place: int, rows: slice, requested: frozenset[str], inputs: Mapping[str, Any]
    ) -> None:
        self._exchange = exchange
        self._place = place
        self.rows = rows
        self.requested_outputs = requested
        self.inputs = inputs

    def __getitem__(self, name: str) -> Any:
        return self.inputs[name]

    @property
    def id(self) -> str:
        """What the client named it; empty for nothing."""
        return self._exchange.detail(self._place).id

    @property
    def correlation_id(self) -> int | str:
        """The sequence that it belongs to; 0 for none."""
        return self._exchange.detail(self._place).correlation_id

    @property
    def sequence_start(self) -> bool:
        """Whether its client says that it is the first of its sequence."""
        return self._exchange.detail(self._place).sequence_start

    @property
    def sequence_end(self) -> bool:
        """Whether its client says that it is the last of its sequence."""
        return self._exchange.detail(self._place).sequence_end

    @property
    def timeout(self) -> float | None:
        """Seconds that its client gave it (tritonclient's ``timeout``, in microseconds); None for none."""
        timeout = self._exchange.detail(self._place).timeout
        return timeout / 1e6 if timeout else None

    @property
    def parameters(self) -> dict[str, Value]:
        """What the client sent beside the tensors, headers left out."""
        return self._exchange.parameters(self._place)

    @property
    def headers(self) -> dict[str, str]:
        """HTTP headers and gRPC metadata that the daemon forwards (``forward_headers``), by lower-case name."""
        return self._exchange.headers(self._place)

    @property
    def deadline(self) -> float | None:
        """When the model's ``timeout`` for the batch is over, as a reading of `time.monotonic`; None without one."""
        return self._exchange.deadline

    @property
    def cancelled(self) -> bool:
        """Whether its client has cancelled it, or left (gRPC and streams; Triton does not see others leave)."""
        return self._exchange.is_cancelled(self._place)

    @known_keywords("Request.fail", TypeError)
    def fail(self, message: str, *, code: ErrorCode = "INVALID_ARG") -> None:
        """Answer it, and it alone, with an error; whatever is returned for its rows is dropped.

        In a stream it is the end. Raises RuntimeError once the request is answered, as `set` does.
        """
        self._exchange.fail(self._place, RequestError(message, code))

    def set(self, name: str, value: Value) -> None:
        """Give its response, in a stream the next one, a parameter; 64 are the most.

        ``name``: up to 256 bytes of UTF-8, a text up to 4096, numbers of 64 bits. What is set again is written over.
        Raises TypeError or ValueError for what cannot be carried.
        """
        self._exchange.set(self._place, name, value)


class Context:
    """What a parameter that is annotated ``Context`` gets: one for each call."""

    __slots__ = ("_exchange", "requests")

    def __init__(self, exchange: RequestState, requests: Sequence[Request]) -> None:
        self._exchange = exchange
        self.requests = requests

    @property
    def requested_outputs(self) -> frozenset[str]:
        """The outputs that at least one of the requests asks for."""
        return frozenset().union(*(request.requested_outputs for request in self.requests))

    @property
    def cancelled(self) -> bool:
        """Whether nobody waits any more: all requests are cancelled."""
        return all(request.cancelled for request in self.requests)

    @property
    def deadline(self) -> float | None:
        """When the model's ``timeout`` for the batch is over, as a reading of `time.monotonic`; None without one."""
        return self._exchange.deadline

    @property
    def metrics(self) -> Metrics:
        """Counters, gauges and histograms, which stand on the metrics port; they may be kept beyond the call."""
        return self._exchange.metrics

    def empty(self, name: str, shape: tuple[int, ...]) -> Any:
        """An array for output ``name`` that lies in the response: what is written there and returned is not copied.

        ``shape`` with the batch axis; the dtype is the declared one, and the content is undefined. One that is kept
        stays what it is. In a stream, and where there is no room, it lies elsewhere and is copied as any other. Raises
        ValueError for an output that is not declared or that holds strings, RuntimeError once the batch is answered.
        """
        return self._exchange.empty(name, shape)
