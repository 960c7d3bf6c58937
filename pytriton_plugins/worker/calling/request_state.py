"""The state of a batch's requests that a `Context` shows: their details, and what it sets for their responses.

A batch that is called again, request by request, keeps its state without the failures and response parameters.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from pytriton_plugins.errors import RequestError
from pytriton_plugins.shm.details import (
    MAX_PARAMETERS,
    Detail,
    Value,
    details_size,
    is_cancelled,
    read_details,
    response_parameter,
)
from pytriton_plugins.shm.wire import ResponseParameter
from pytriton_plugins.worker.calling.errors import RequestFailure, failure_of
from pytriton_plugins.worker.calling.sequences import ChannelSequences, SequenceKeeper
from pytriton_plugins.worker.metrics.registry import Metrics

if TYPE_CHECKING:
    from pytriton_plugins.worker.nested.models import Models


class SharedState(NamedTuple):
    """What all batches of a worker share: the model's name and timeout, forwarded headers, metrics."""

    model: str
    timeout: float = 0.0
    headers: Mapping[str, str] = {}
    """The header of each parameter that only a proxy can send; both names in lower case."""

    metrics: Metrics | None = None
    """None: metrics are dropped."""

    worker: int = 0
    """The place among the workers of the model."""

    sequences: SequenceKeeper | None = None
    """None: the model has no sequences."""


class OutputMemory(Protocol):
    """Makes arrays for outputs."""

    def empty(self, name: str, shape: tuple[int, ...]) -> Any:
        """An array of ``shape`` for the output ``name``; raises ValueError."""


class CallChannel(Protocol):
    """Opens the way to other models for a batch."""

    def open_models(self, state: Any) -> Models:
        """The models that the callable of ``state`` may call."""


class RequestState:
    """The details of one batch, readable after it too, and the failures and parameters of its responses."""

    _details: list[Detail] | None = None
    _is_closed = False
    _models: Models | None = None
    _alone: int | None = None
    """The place of the request that runs alone."""
    deadline: float | None = None

    def __init__(
        self,
        shared: SharedState,
        view: memoryview,
        offset: int,
        memory: OutputMemory,
        sequences: ChannelSequences | None = None,
        channel: CallChannel | None = None,
    ) -> None:
        """``offset``: where the details begin in the request segment that ``view`` shows; 0: there are none.

        ``sequences``: the states of the channel; None for a model without sequences, and in its warm-up. ``channel``:
        None while models cannot be called.
        """
        self._shared = shared
        self._view = view
        self._offset = offset
        # The next batch overwrites the segment, and details are rarely read: so copied now, parsed when read.
        self.packed_details = bytes(view[offset : offset + details_size(view, offset)]) if offset else b""
        self._sequences = sequences
        self._states: dict[int, dict[Any, Any]] = {}
        self._memory = memory
        self._channel = channel
        self._opening = threading.Lock()
        """Threads of the callable may ask for the models at once, and when the batch is answered."""
        self.started = time.monotonic()
        if shared.timeout:
            self.deadline = self.started + shared.timeout
        self.failures: dict[int, RequestFailure] = {}
        self.response_parameters: dict[tuple[int, bytes], ResponseParameter] = {}
        """By place and name; several threads of the callable may write them, and failures too."""

    @property
    def model(self) -> str:
        return self._shared.model

    @property
    def models(self) -> Models:
        if (models := self._models) is not None:
            return models
        with self._opening:
            self._check_open()
            if self._models is None:
                if self._channel is None:
                    raise RuntimeError("ctx.models: there is no channel to Triton yet; call models in requests only")
                self._models = self._channel.open_models(self)
            return self._models

    @property
    def running(self) -> Sequence[Detail]:
        """The details of the requests that the callable runs now: of all of them, or of the one that runs alone."""
        return self.details if self._alone is None else (self.detail(self._alone),)

    @property
    def running_key(self) -> tuple[bytes, int | None]:
        """Equal for batches with equal details in `running`."""
        return self.packed_details, self._alone

    @property
    def details(self) -> list[Detail]:
        """The details of each request, none if there are none."""
        if self._details is None:
            self._details = read_details(memoryview(self.packed_details), 0) if self.packed_details else []
        return self._details

    @property
    def worker(self) -> int:
        return self._shared.worker

    @property
    def metrics(self) -> Metrics:
        return self._shared.metrics or Metrics()

    def detail(self, place: int) -> Detail:
        details = self.details
        return details[place] if place < len(details) else Detail()

    def begin_sequences(self, first: int, count: int) -> None:
        """Find or make the states for the requests from place ``first`` on; raises RequestError for one without."""
        for place in range(first, first + count) if self._sequences is not None else ():
            detail = self.detail(place)
            assert self._sequences is not None
            self._states[place] = self._sequences.begin(detail.correlation_id, start=detail.sequence_start)

    def check_sequences(self) -> None:
        if self._shared.sequences is None:
            raise RuntimeError("the model has no sequences; write @infer_func(…, sequence=Sequence())")

    def sequence_state(self, place: int) -> dict[Any, Any]:
        return self._states.setdefault(place, {})  # a warm-up has new ones

    def parameters(self, place: int) -> dict[str, Value]:
        headers = self._shared.headers
        return {name: value for name, value in self.detail(place).parameters if name.lower() not in headers}

    def headers(self, place: int) -> dict[str, str]:
        # Triton hands on headers as parameters, which a client can set too: so only names that a client cannot know.
        headers = self._shared.headers
        found = [(headers.get(name.lower()), value) for name, value in self.detail(place).parameters]
        return {name: str(value) for name, value in found if name}

    def is_cancelled(self, place: int) -> bool:
        return bool(self._offset) and not self._is_closed and is_cancelled(self._view, self._offset, place)

    def empty(self, name: str, shape: tuple[int, ...]) -> Any:
        self._check_open()
        return self._memory.empty(name, shape)

    def fail(self, place: int, error: RequestError) -> None:
        self._check_open()
        self.failures[place] = failure_of(error, self._shared.model)

    def has_failed(self, first: int, end: int) -> bool:
        """Whether the callable failed each request from place ``first`` up to ``end``."""
        return bool(self.failures) and all(place in self.failures for place in range(first, end))

    def set(self, place: int, name: str, value: Value) -> None:
        self._check_open()
        parameter = response_parameter(place, name, value)
        key = place, parameter.name
        known = self.response_parameters
        if key not in known and sum(owner == place for owner, _ in [*known]) >= MAX_PARAMETERS:
            raise ValueError(f"response parameter {name!r}: a response has at most {MAX_PARAMETERS} parameters")
        known[key] = parameter

    def reset(self, first: int, end: int) -> None:
        """Drop failures and response parameters from place ``first`` up to ``end``: these requests are called again."""
        self.failures = {place: failure for place, failure in self.failures.items() if not first <= place < end}
        self.response_parameters = {
            key: parameter
            for key, parameter in self.response_parameters.items()
            if not first <= parameter.request < end
        }

    def run_alone(self, place: int) -> None:
        """The callable runs this request alone from now on: its calls are for that one."""
        self._alone = place
        self._models = None

    def close(self) -> None:
        """The batch is answered: from now on the backend writes flags of another batch."""
        with self._opening:
            self._is_closed = True
            self._models = None
        for place in self._states if self._sequences is not None else ():
            detail = self.detail(place)
            assert self._sequences is not None
            self._sequences.end(detail.correlation_id, last=detail.sequence_end)

    def _check_open(self) -> None:
        if self._is_closed:
            raise RuntimeError("the batch of this Context is answered; use the Context during the call only")
