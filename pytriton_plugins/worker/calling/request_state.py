"""What a batch carries beside tensors, in both directions: details of its requests, and what is said of responses.

Runs in workers. A batch that is called again, request by request, keeps its exchange and forgets what was said.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from pytriton_plugins.errors import RequestError
from pytriton_plugins.shm.details import MAX_PARAMETERS, Detail, Value, is_cancelled, read_details, response_parameter
from pytriton_plugins.shm.wire import ResponseParameter
from pytriton_plugins.worker.calling.errors import RequestFailure, failure_of
from pytriton_plugins.worker.metrics.registry import Metrics


class Surroundings(NamedTuple):
    """What all batches of a worker have in common: the model's name and timeout, forwarded headers, metrics."""

    model: str
    timeout: float = 0.0
    headers: Mapping[str, str] = {}
    """The parameters that only a proxy can send, and which header each is; both names in lower case."""

    metrics: Metrics | None = None
    """None: nobody is told."""


class Exchange:
    """One batch's details, which stay readable after it, and what the callable said of its responses."""

    def __init__(
        self, surroundings: Surroundings, view: memoryview, offset: int, empty: Callable[[str, tuple[int, ...]], Any]
    ) -> None:
        """``offset``: where the details begin in the request segment that ``view`` shows; 0: there are none."""
        self._surroundings = surroundings
        self._view = view
        self._offset = offset
        # The segment is written again with the next batch, and details are rarely looked at: so a copy, read later.
        self._copy = (
            bytes(view[offset : offset + int.from_bytes(view[offset : offset + 8], "little")]) if offset else b""
        )
        self._details: list[Detail] | None = None
        self._is_over = False
        self._empty = empty
        self.deadline = time.monotonic() + surroundings.timeout if surroundings.timeout else None
        self.failures: dict[int, RequestFailure] = {}
        self.said: dict[tuple[int, bytes], ResponseParameter] = {}
        """By place and name; like failures it may be written by several threads of the callable."""

    @property
    def metrics(self) -> Metrics:
        return self._surroundings.metrics or Metrics(lambda kind, **content: None)

    def detail(self, place: int) -> Detail:
        if self._details is None:
            self._details = read_details(memoryview(self._copy), 0) if self._copy else []
        return self._details[place] if place < len(self._details) else Detail()

    def parameters(self, place: int) -> dict[str, Value]:
        headers = self._surroundings.headers
        return {name: value for name, value in self.detail(place).parameters if name.lower() not in headers}

    def headers(self, place: int) -> dict[str, str]:
        # Triton hands on headers as parameters, which a client can write as well: so only names that it cannot know.
        headers = self._surroundings.headers
        found = [(headers.get(name.lower()), value) for name, value in self.detail(place).parameters]
        return {name: str(value) for name, value in found if name}

    def is_cancelled(self, place: int) -> bool:
        return bool(self._offset) and not self._is_over and is_cancelled(self._view, self._offset, place)

    def empty(self, name: str, shape: tuple[int, ...]) -> Any:
        self._check_open()
        return self._empty(name, shape)

    def fail(self, place: int, error: RequestError) -> None:
        self._check_open()
        self.failures[place] = failure_of(error, self._surroundings.model)

    def has_failed(self, first: int, end: int) -> bool:
        """Whether each request from place ``first`` up to ``end`` was failed by the callable."""
        return bool(self.failures) and all(place in self.failures for place in range(first, end))

    def set(self, place: int, name: str, value: Value) -> None:
        self._check_open()
        parameter = response_parameter(place, name, value)
        key = place, parameter.name
        if key not in self.said and sum(said == place for said, _ in [*self.said]) >= MAX_PARAMETERS:
            raise ValueError(f"response parameter {name!r} is one too many; {MAX_PARAMETERS} are carried at most")
        self.said[key] = parameter

    def forget(self, first: int, end: int) -> None:
        """Drop what was said of the requests from place ``first`` up to ``end``: they are called again."""
        self.failures = {place: failure for place, failure in self.failures.items() if not first <= place < end}
        self.said = {key: said for key, said in self.said.items() if not first <= said.request < end}

    def close(self) -> None:
        """The batch is answered: what the backend writes from now on belongs to another."""
        self._is_over = True

    def _check_open(self) -> None:
        if self._is_over:
            raise RuntimeError("the batch of this Context is answered; nothing can be said of its responses any more")
