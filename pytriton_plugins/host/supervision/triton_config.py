"""The configuration that a model is loaded into Triton with: ours, the author's, the file's, hook plugins'."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pytriton_plugins.config.triton_schema import schema_problems
from pytriton_plugins.errors import ServerError
from pytriton_plugins.host.triton.repository import NOT_FOR_TRITON, OURS, model_config
from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.model.triton_config import caches_responses, config_problems
from pytriton_plugins.values import ModelConfig

if TYPE_CHECKING:
    from pytriton_plugins.hooks.manager import HookManager
    from pytriton_plugins.host.supervision.context import ServedModel

_LOG = logging.getLogger("pytriton.host")


class TritonConfigs:
    """Makes the configuration of models for Triton, which the hook plugins edit.

    ``has_cache``: tritonserver has a response cache. ``reloads``: changed plugins are served, so nothing is cached.
    """

    def __init__(self, hooks: HookManager, *, has_cache: bool, reloads: bool) -> None:
        self._hooks = hooks
        self._has_cache = has_cache
        self._reloads = reloads

    def of(self, models: Sequence[ServedModel]) -> dict[str, Any]:
        """The configuration of ``models``, the versions of one name; that of the newest counts for all of them.

        Of two of one version, the first takes the other's place. Raises ServerError for what a hook plugin wrote into
        it that is not supported.
        """
        newest = newest_of(models)
        batches = max(model.effective.channels for model in models)
        versions = tuple(sorted({model.declaration.version for model in models}))
        ours = model_config(newest.declaration, batches, versions)
        edited = self._hooks.edit_model_config(newest.declaration, ModelConfig(ours))
        values = {**edited.value.values, **{key: ours[key] for key in OURS if key in ours}}
        if edited.plugin:
            _check(newest.declaration, values, ours, edited.plugin)
        return self._with_cache(newest, values)

    def _with_cache(self, model: ServedModel, values: dict[str, Any]) -> dict[str, Any]:
        if not caches_responses(values):
            return values
        subject = f"model {model.name} of plugin {model.reference.label}"
        if self._reloads:
            _LOG.warning(
                "%s: its response cache is off with --reload, for what it holds would outlive a change", subject
            )
            return {key: value for key, value in values.items() if key != "response_cache"}
        if not self._has_cache:
            _LOG.warning(
                "%s: its configuration turns the response cache on, but this server has none, so every request is run; "
                "add --server-option cache-config=local,size=16777216 (bytes), or leave response_cache out",
                subject,
            )
        return values


def newest_of(models: Sequence[ServedModel]) -> ServedModel:
    """Of versions of one name, the one whose configuration Triton has."""
    return max(models, key=lambda model: model.declaration.version)


def _check(model: ModelDeclaration, values: dict[str, Any], ours: dict[str, Any], plugin: str) -> None:
    theirs = {key: value for key, value in values.items() if key not in ours or key in model.triton_config}
    problems = [f"{key} is for a model's triton_config" for key in NOT_FOR_TRITON if key in values]
    problems = problems or [*config_problems(replace(model, triton_config=theirs)), *schema_problems(theirs)]
    if problems:
        raise ServerError(*[f"hook plugin {plugin}: pytriton_edit_model_config: {problem}" for problem in problems])
