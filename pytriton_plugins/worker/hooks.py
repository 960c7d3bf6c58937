"""Calls the hooks that observe requests and responses; imported only if a plugin has such hooks."""

from __future__ import annotations

import itertools
import logging
from typing import Any

from pytriton_plugins.discovery.references import HookReference
from pytriton_plugins.errors import HookError
from pytriton_plugins.hooks.manager import HookManager
from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.values import RequestInfo, ResponseInfo
from pytriton_plugins.worker.calling.errors import RequestFailure

_LOG = logging.getLogger("pytriton.hooks")


def load_observer(declaration: ModelDeclaration, plugins: list[dict[str, Any]]) -> Observer | None:
    """The observer that calls ``plugins``, which the daemon sent with their ``settings``; None if none has such hooks.

    A plugin that is not installed for this interpreter, or fails to import here, is skipped with a line in the log.
    """
    references = []
    settings = {}
    for each in plugins:
        settings[each["plugin"]] = each["settings"]
        references.append(HookReference(each["plugin"], each["value"], each["distribution"], each["version"]))

    def skip(reference: HookReference, error: HookError) -> None:
        _LOG.warning("model %s is not observed by %s: %s", declaration.name, reference.label, error)

    manager = HookManager.of_references(references, settings, skip)
    manager.now_serving()
    manager.on_worker_setup(declaration)
    observer = Observer(declaration, manager)
    return observer if observer.is_needed else None


class Observer:
    """Calls the hooks of each request. They are looked up once: the lookup costs more than a call."""

    def __init__(self, declaration: ModelDeclaration, manager: HookManager) -> None:
        self._name = declaration.name
        self._version = declaration.version
        self._numbers = itertools.count(1)
        self._on_request = manager.bound_on_request()
        self._on_response = manager.bound_on_response()

    @property
    def is_needed(self) -> bool:
        """Whether a plugin has one of the hooks."""
        return bool(self._on_request or self._on_response)

    def before(self, rows: tuple[int, ...]) -> list[RequestInfo]:
        """Call ``on_request`` for the requests of a batch, one for each item of ``rows``."""
        name, version, numbers, count = self._name, self._version, self._numbers, len(rows)
        requests = [RequestInfo(name, version, next(numbers), each, count) for each in rows]
        if self._on_request:
            for request in requests:
                self._on_request(request)
        return requests

    def after(self, requests: list[RequestInfo], failures: dict[int, RequestFailure], seconds: float) -> None:
        """Call ``on_response`` for each of them; ``failures`` by their place in the batch."""
        if not self._on_response:
            return
        success = ResponseInfo(True, seconds)
        for place, request in enumerate(requests):
            error = failures.get(place)
            response = ResponseInfo(False, seconds, error.code, error.message) if error else success
            self._on_response(request, response)
