"""Attaches a bound model to a daemon."""

from __future__ import annotations

import logging
from typing import Any

from pytriton.exceptions import PyTritonInvalidOperationError, PyTritonValidationError
from pytriton.serving.calls import OnUnrecoverable, adapted
from pytriton.serving.model import BoundModel, native_tensors
from pytriton.serving.model_options import triton_config
from pytriton_plugins.errors import DeclarationError, PytritonPluginsError
from pytriton_plugins.model.call_rules import CallRules
from pytriton_plugins.model.call_settings import Settings
from pytriton_plugins.script.attach import attach_by_rules
from pytriton_plugins.script.attachment import Attachment

_LOG = logging.getLogger("pytriton.triton")


def attached(folder: str, model: BoundModel, on_unrecoverable: OnUnrecoverable) -> Attachment:
    """Serve ``model`` by the daemon with this private folder; returns when clients can call it.

    Where Triton's response cache would give a request the answer of another, the model is served without it. Raises
    PyTritonValidationError for a model that cannot be served, PyTritonInvalidOperationError if the daemon refuses it.
    """
    try:
        try:
            return _attached(folder, model, on_unrecoverable, cached=model.config.response_cache)
        except DeclarationError as error:
            if not model.config.response_cache:
                raise
            found = _attached(folder, model, on_unrecoverable, cached=False)
            _LOG.warning("model %s is served without a response cache: %s", model.name, error)
            return found
    except DeclarationError as error:
        raise PyTritonValidationError(f"model {model.name}: {error}") from None
    except PytritonPluginsError as error:
        raise PyTritonInvalidOperationError(str(error)) from None


def _attached(folder: str, model: BoundModel, on_unrecoverable: OnUnrecoverable, *, cached: bool) -> Attachment:
    targets: Any = [adapted(model, each, on_unrecoverable, cached=cached) for each in model.callables]
    rules = CallRules(equal_shapes=True, any_form=True, writable=True, lenient=not model.strict)
    inputs, outputs = native_tensors(model.name, model.inputs), native_tensors(model.name, model.outputs)
    return attach_by_rules(folder, targets, _settings(model, cached=cached), inputs, outputs, rules=rules)


def _settings(model: BoundModel, *, cached: bool) -> Settings:
    return Settings(
        name=model.name,
        version=model.version,
        max_batch_size=model.max_batch_size,
        workers=1,
        threads=1,
        max_concurrency=None,
        retry_alone=False,  # a call has effects, and PyTriton calls once
        timeout=None,
        triton_config=triton_config(model, cached=cached),
    )
