"""The effect of the configuration file on a declared model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pytriton_plugins.config.mappings import merge
from pytriton_plugins.config.problems import Problems
from pytriton_plugins.config.triton_schema import schema_problems
from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.model.triton_config import config_problems
from pytriton_plugins.text import one_line
from pytriton_plugins.text.suggestions import suggestion

if TYPE_CHECKING:
    from pytriton_plugins.config.host_config import HostConfig
    from pytriton_plugins.config.tables import ModelSettings


def is_required(config: HostConfig, name: str) -> bool:
    """Whether the daemon is not ready without this model."""
    required = config.model(name).required
    return name not in config.optional and (required is None or required)


def is_required_of(config: HostConfig, name: str, repository: Set[str]) -> bool:
    """The same of a model of the repository with the names ``repository``; the model's own table overrides these."""
    is_optional = not repository.isdisjoint(config.optional) and config.model(name).required is None
    return is_required(config, name) and not is_optional


def worker_count(config: HostConfig, declaration: ModelDeclaration) -> int:
    """How many workers serve the model: the file over the option over what the author declared."""
    return config.model(declaration.name).workers or config.workers or declaration.workers


def configured(config: HostConfig, declaration: ModelDeclaration) -> ModelDeclaration:
    """The declaration with what the configuration file says over it; ConfigError for what does not go together."""
    table = config.model(declaration.name)
    problems = Problems()
    problems.add(*_settings_problems(declaration, table.settings))
    changes: dict[str, Any] = {}
    if table.max_batch_size is not None:
        if not declaration.batched:
            problems.add(
                f"[models.{declaration.name}] max_batch_size: the model has no batch axis (max_batch_size=0 in its "
                "code); remove the key"
            )
        else:
            changes["max_batch_size"] = table.max_batch_size
    if table.timeout is not None:
        changes["timeout"] = table.timeout
    changes |= _sequence_changes(declaration, table, problems)
    if table.triton_config:
        changes["triton_config"] = merge(declaration.triton_config, table.triton_config)
    made = replace(declaration, **changes)
    where = f"[models.{declaration.name}]" if table.triton_config else f"model {declaration.name}"
    problems.add(*[f"{where}: {problem}" for problem in (*config_problems(made), *schema_problems(made.triton_config))])
    problems.tell()
    return made


def _sequence_changes(declaration: ModelDeclaration, table: ModelSettings, problems: Problems) -> dict[str, Any]:
    given = {"max_idle": table.sequence_max_idle, "max_live": table.sequence_max_live}
    changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if not changes:
        return {}
    if declaration.sequence is None:
        problems.add(f"[models.{declaration.name}.sequence]: the model has no sequences; remove the table")
        return {}
    return {"sequence": replace(declaration.sequence, **changes)}


def _settings_problems(declaration: ModelDeclaration, given: Mapping[str, Any]) -> Iterator[str]:
    where, takes = f"[models.{declaration.name}.settings]", declaration.settings
    if takes is None:
        return
    if declaration.kind == "function" and given:
        yield f"{where}: the model is a function, which takes no settings; remove the table or mark a class"
        return
    for name in given:
        if name not in takes:
            hint = suggestion(name, takes) or f"; known settings: {', '.join(takes) or 'none'}"
            yield f"{where}: unknown setting {one_line(name)} of {declaration.object_name}.__init__{hint}"
    missing = [name for name, needed in takes.items() if needed and name not in given]
    if missing:
        yield f"{where}: __init__ of {declaration.object_name} needs {', '.join(missing)}; set it there"
