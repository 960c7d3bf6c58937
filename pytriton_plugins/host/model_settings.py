"""What the configuration makes of a model that was declared; runs in the host, and in `check` and `config`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pytriton_plugins.config import HostConfig
from pytriton_plugins.errors import ConfigError
from pytriton_plugins.merging import merge
from pytriton_plugins.models import ModelDeclaration
from pytriton_plugins.settings import suggestion
from pytriton_plugins.text import one_line
from pytriton_plugins.triton_config import config_problem


def is_required(config: HostConfig, name: str) -> bool:
    """Whether the daemon is not ready without this model."""
    said = config.model(name).required
    return name not in config.optional and (said is None or said)


def worker_count(config: HostConfig, declaration: ModelDeclaration) -> int:
    """How many workers serve the model: the file over the option over what the author declared."""
    return config.model(declaration.name).workers or config.workers or declaration.workers


def configured(config: HostConfig, declaration: ModelDeclaration) -> ModelDeclaration:
    """The declaration with what the configuration file says over it; ConfigError for what does not go together."""
    said = config.model(declaration.name)
    _check_settings(declaration, said.settings)
    changes: dict[str, Any] = {}
    if said.max_batch_size is not None:
        if not declaration.batched:
            raise ConfigError(
                f"[models.{declaration.name}] max_batch_size: the model has no batch axis (max_batch_size=0 in its "
                "code); remove the key"
            )
        changes["max_batch_size"] = said.max_batch_size
    if said.timeout is not None:
        changes["timeout"] = said.timeout
    if said.triton_config:
        changes["triton_config"] = merge(declaration.triton_config, said.triton_config)
    made = replace(declaration, **changes)
    problem = config_problem(made)
    if problem:
        raise ConfigError(f"[models.{declaration.name}]: {problem}")
    return made


def _check_settings(declaration: ModelDeclaration, given: Mapping[str, Any]) -> None:
    where, takes = f"[models.{declaration.name}.settings]", declaration.settings
    if takes is None:
        return
    if declaration.kind == "function" and given:
        raise ConfigError(f"{where}: the model is a function, which takes none; remove the table or mark a class")
    for name in given:
        if name not in takes:
            hint = suggestion(name, takes) or f"; it takes {', '.join(takes) or 'none'}"
            raise ConfigError(f"{where}: __init__ of {declaration.object_name} takes no {one_line(name)}{hint}")
    missing = [name for name, needed in takes.items() if needed and name not in given]
    if missing:
        raise ConfigError(f"{where}: __init__ of {declaration.object_name} needs {', '.join(missing)}; set it there")
