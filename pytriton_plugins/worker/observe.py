"""Tells hook plugins of requests and responses; runs in workers, and only where a plugin has such hooks."""

from __future__ import annotations

import itertools
import logging
import time
from typing import Any

from pytriton_plugins.discovery.references import HookReference
from pytriton_plugins.errors import HookError
from pytriton_plugins.hooks.manager import HookManager
from pytriton_plugins.models import ModelDeclaration
from pytriton_plugins.values import RequestInfo, ResponseInfo
from pytriton_plugins.worker.call import Batch, CallPlan, Outcome

_LOG = logging.getLogger("pytriton.hooks")


def observed(calls: CallPlan, declaration: ModelDeclaration, plugins: list[dict[str, Any]]) -> CallPlan:
    """``calls`` as observed by ``plugins``, whose references and ``settings`` came from the host.

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
    if not manager.implementers("pytriton_on_request") and not manager.implementers("pytriton_on_response"):
        return calls
    return ObservedCalls(calls, declaration, manager)


class ObservedCalls(CallPlan):
    """Runs each batch as `CallPlan` does, and tells the plugins before and after."""

    def __init__(self, calls: CallPlan, declaration: ModelDeclaration, manager: HookManager) -> None:
        super().__init__(declaration, calls.callable)
        self.short_way = False
        self._declaration = declaration
        self._manager = manager
        self._numbers = itertools.count(1)
        self._depth = 0

    def run(self, batch: Batch) -> list[Outcome]:
        if self._depth:  # a request that is called alone after its batch failed
            return super().run(batch)
        name, version = self._declaration.name, self._declaration.version
        count = len(batch.rows)
        requests = [RequestInfo(name, version, next(self._numbers), rows, count) for rows in batch.rows]
        for request in requests:
            self._manager.on_request(request)
        began = time.monotonic()
        self._depth += 1
        try:
            outcomes = super().run(batch)
        finally:
            self._depth -= 1
        seconds = time.monotonic() - began
        for outcome in outcomes:
            error = outcome.error
            said = (
                ResponseInfo(True, seconds)
                if error is None
                else ResponseInfo(False, seconds, error.code, error.message)
            )
            for request in requests[outcome.first : outcome.first + outcome.requests]:
                self._manager.on_response(request, said)
        return outcomes
