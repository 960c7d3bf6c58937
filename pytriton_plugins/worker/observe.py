"""Tells hook plugins of requests and responses; runs in workers, and only where a plugin has such hooks."""

from __future__ import annotations

import functools
import itertools
import logging
import socket
import time
from collections.abc import Callable
from typing import Any

from pytriton_plugins.discovery.references import HookReference
from pytriton_plugins.errors import HookError
from pytriton_plugins.hooks.manager import HookManager
from pytriton_plugins.models import ModelDeclaration
from pytriton_plugins.shm.segment import Segment
from pytriton_plugins.values import RequestInfo, ResponseInfo
from pytriton_plugins.worker.call import Batch, CallPlan, Outcome
from pytriton_plugins.worker.failures import RequestFailure
from pytriton_plugins.worker.serve import ChannelServer
from pytriton_plugins.worker.writing import Written

_LOG = logging.getLogger("pytriton.hooks")


def observing(declaration: ModelDeclaration, plugins: list[dict[str, Any]]) -> Callable[..., ChannelServer]:
    """What makes the server of a channel, observed by ``plugins``, whose references and ``settings`` the host sent.

    A plugin that is not installed for this interpreter, or is broken here, is left out with a line in the log.
    """
    references = []
    settings = {}
    for each in plugins:
        settings[each["plugin"]] = each["settings"]
        references.append(HookReference(each["plugin"], each["value"], each["distribution"], each["version"]))

    def leave_out(reference: HookReference, error: HookError) -> None:
        _LOG.warning("model %s is not observed by %s: %s", declaration.name, reference.label, error)

    manager = HookManager.of_references(references, settings, leave_out)
    manager.now_serving()
    manager.on_worker_setup(declaration)
    observer = Observer(declaration, manager)
    return functools.partial(ObservedServer, observer) if observer.is_needed else ChannelServer


class Observer:
    """Tells the plugins of each request; who is to be told is worked out once, for to look costs more than to call."""

    def __init__(self, declaration: ModelDeclaration, manager: HookManager) -> None:
        self._name = declaration.name
        self._version = declaration.version
        self._numbers = itertools.count(1)
        self._on_request = manager.bound_on_request()
        self._on_response = manager.bound_on_response()

    @property
    def is_needed(self) -> bool:
        """Whether a plugin wants to be told."""
        return bool(self._on_request or self._on_response)

    def before(self, rows: tuple[int, ...]) -> list[RequestInfo]:
        """Tell of the requests of a batch, one for each item of ``rows``."""
        name, version, numbers, count = self._name, self._version, self._numbers, len(rows)
        requests = [RequestInfo(name, version, next(numbers), each, count) for each in rows]
        if self._on_request:
            for request in requests:
                self._on_request(request)
        return requests

    def after(self, requests: list[RequestInfo], failures: dict[int, RequestFailure], seconds: float) -> None:
        """Tell what became of them; ``failures`` by their place in the batch."""
        if not self._on_response:
            return
        succeeded = ResponseInfo(True, seconds)
        for place, request in enumerate(requests):
            error = failures.get(place)
            outcome = ResponseInfo(False, seconds, error.code, error.message) if error else succeeded
            self._on_response(request, outcome)


class FailuresKept(CallPlan):
    """A `CallPlan` that keeps the failures of its last batch, by place in the batch, and nothing else of it."""

    def __init__(self, declaration: ModelDeclaration, callable_: Callable[..., Any]) -> None:
        super().__init__(declaration, callable_)
        self.failures: dict[int, RequestFailure] = {}

    def run(self, batch: Batch) -> list[Outcome]:
        return self._kept(super().run(batch))

    def finished(self, batch: Batch, result: Any) -> list[Outcome]:
        return self._kept(super().finished(batch, result))

    def failed(self, batch: Batch, error: BaseException, *, called: bool = True) -> list[Outcome]:
        return self._kept(super().failed(batch, error, called=called))

    def _kept(self, outcomes: list[Outcome]) -> list[Outcome]:
        # These methods call each other; the one that returns last knows the whole batch.
        self.failures = {
            place: outcome.error
            for outcome in outcomes
            if outcome.error
            for place in range(outcome.first, outcome.first + outcome.requests)
        }
        return outcomes


class ObservedServer(ChannelServer):
    """Answers as `ChannelServer` does, the short way too, and tells the observer before and after each batch."""

    def __init__(
        self,
        observer: Observer,
        sock: socket.socket,
        response: Segment,
        declaration: ModelDeclaration,
        calls: CallPlan,
        need: Callable[[int, int], Segment],
    ) -> None:
        self._observer = observer
        self._observed = FailuresKept(declaration, calls.callable)
        super().__init__(sock, response, declaration, self._observed, need)

    def _answer(self, number: int, offset: int, length: int) -> Written:
        requests = self._observer.before(self._reader.plan(number, offset, length).rows)
        self._observed.failures = {}
        began = time.monotonic()
        written = super()._answer(number, offset, length)
        self._observer.after(requests, self._observed.failures, time.monotonic() - began)
        return written
