"""The configuration that a model is loaded into Triton with: ours, the author's, the file's, hooks'; in the host."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pytriton_plugins.config.host_config import HostConfig
from pytriton_plugins.config.triton_schema import schema_problems
from pytriton_plugins.errors import ServerError
from pytriton_plugins.hooks.manager import HookManager
from pytriton_plugins.host.triton.options import has_cache
from pytriton_plugins.host.triton.repository import NOT_FOR_TRITON, OURS, model_config
from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.model.triton_config import caches_responses, config_problems
from pytriton_plugins.values import ModelConfig

if TYPE_CHECKING:
    from pytriton_plugins.host.supervision.context import ServedModel

_LOG = logging.getLogger("pytriton.host")


def final_config(config: HostConfig, hooks: HookManager, models: Sequence[ServedModel]) -> dict[str, Any]:
    """What Triton is given for ``models``, the versions of one name; that of the newest counts for all of them.

    Of two of one version, the first takes the other's place. Raises ServerError for what a hook plugin wrote into it
    that is not supported.
    """
    newest = max(models, key=lambda model: model.declaration.version)
    batches = max(model.worker_count * model.declaration.slots for model in models)
    versions = tuple(sorted({model.declaration.version for model in models}))
    made = model_config(newest.declaration, batches, versions)
    edited = hooks.edit_model_config(newest.declaration, ModelConfig(made))
    values = {**edited.value.values, **{key: made[key] for key in OURS if key in made}}
    if edited.plugin:
        _check(newest.declaration, values, made, edited.plugin)
    return _with_cache(config, newest, values)


def _check(model: ModelDeclaration, values: dict[str, Any], made: dict[str, Any], plugin: str) -> None:
    theirs = {key: value for key, value in values.items() if key not in made or key in model.triton_config}
    problems = [f"{key} is for a model's triton_config" for key in NOT_FOR_TRITON if key in values]
    problems = problems or [*config_problems(replace(model, triton_config=theirs)), *schema_problems(theirs)]
    if problems:
        raise ServerError(*[f"hook plugin {plugin}: pytriton_edit_model_config: {problem}" for problem in problems])


def _with_cache(config: HostConfig, model: ServedModel, values: dict[str, Any]) -> dict[str, Any]:
    if not caches_responses(values):
        return values
    who = f"model {model.name} of plugin {model.reference.label}"
    if config.reload:
        _LOG.warning("%s: its response cache is off with --reload, for what it holds would outlive a change", who)
        return {key: value for key, value in values.items() if key != "response_cache"}
    if not has_cache(config):
        _LOG.warning(
            "%s: its configuration turns the response cache on, but this server has none, so every request is run; add "
            "--server-option cache-config=local,size=16777216 (bytes), or leave response_cache out",
            who,
        )
    return values
