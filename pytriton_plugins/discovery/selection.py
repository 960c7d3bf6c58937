"""The plugins to serve: targets of the command line or installed plugins, as the configuration selects them.

Nothing is imported here.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Sequence, Set
from pathlib import Path
from typing import TypeVar

from pytriton_plugins.discovery.conflicts import shared_names
from pytriton_plugins.discovery.entry_points import find_models, installed_version
from pytriton_plugins.discovery.importing import is_path, split_reference
from pytriton_plugins.discovery.references import HookReference, ModelReference, Reference, canonical
from pytriton_plugins.errors import ConfigError, DiscoveryError, HookError
from pytriton_plugins.text import one_line
from pytriton_plugins.text.suggestions import suggestion

R = TypeVar("R", bound=Reference)

log = logging.getLogger("pytriton.discovery")


def references_of(targets: Sequence[str] = ()) -> list[ModelReference]:
    """References to ``targets`` as typed, or without any to all installed model plugins; may be empty.

    DiscoveryError has a line for each target that does not name a module or an existing file.
    """
    if not targets:
        return find_models()
    references: list[ModelReference] = []
    problems: list[str] = []
    for target in dict.fromkeys(targets):
        try:
            references.append(_reference_of(target))
        except DiscoveryError as error:
            problems += error.problems
    if problems:
        raise DiscoveryError(*problems)
    return references


def is_target(name: str) -> bool:
    """Whether only a target can have this name, and no model: a Python file, or a module with dots or a colon."""
    has_dots = "." in name and all(part.isidentifier() for part in name.split("."))
    return ":" in name or name.endswith(".py") or has_dots


def absolute_target(name: str) -> str:
    """The name of a model, plugin or target, with the whole path of a file: the daemon has another current folder.

    Raises DiscoveryError for a file that is not there, or another mistake in what can only be a target.
    """
    return _reference_of(name).value if is_target(name) else name


def _reference_of(target: str) -> ModelReference:
    module, attribute = split_reference(target)
    if not is_path(module):
        return ModelReference(target, target)
    path = Path(os.path.expanduser(module)).absolute()
    if not path.is_file():
        raise DiscoveryError(f"{module} is not a file; write the path of a Python file, or a module's name with dots")
    # A worker may run in another folder than the one that the path was typed in.
    return ModelReference(target, f"{path}:{attribute}" if attribute else str(path))


def select_models(
    found: Sequence[ModelReference],
    wanted: Sequence[str] = (),
    disabled: Sequence[str] = (),
    others: Sequence[Reference] = (),
) -> list[ModelReference]:
    """Those that ``wanted`` names (none: all) less those that ``disabled`` names; ConfigError for an unknown one.

    ``others`` may be named as well.
    """
    named = [*found, *others]
    known = sorted({reference.plugin for reference in named})
    unknown = [name for name in wanted if not any(_has_name(reference, name) for reference in named)]
    if unknown:
        hints = [suggestion(name, known) or f"; installed are {', '.join(known) or 'none'}" for name in unknown]
        hinted = zip(map(one_line, unknown), hints, strict=True)
        raise ConfigError(*[f"no model plugin named {name}{hint}; see 'pytriton-host list'" for name, hint in hinted])
    return chosen(found, wanted, disabled)


def chosen(found: Sequence[R], wanted: Sequence[str], disabled: Sequence[str]) -> list[R]:
    """Those that ``wanted`` names (none: all) less those that ``disabled`` names."""
    return [each for each in without(found, disabled) if not wanted or any(_has_name(each, name) for name in wanted)]


def select_hooks(found: Sequence[HookReference], disabled: Sequence[str] = ()) -> list[HookReference]:
    """Those that are not disabled; HookError with a line for each name that several have."""
    left = without(found, disabled)
    if shared := shared_names(left):
        raise HookError(*[f"hook plugin {problem}" for problem in shared])
    return left


def warn_of_unknown(disabled: Sequence[str], found: Sequence[Reference]) -> None:
    """One line for each disabled name that no plugin has; a warning, because another machine may have it."""
    for name in disabled:
        if not any(_has_name(reference, name) for reference in found):
            hint = suggestion(name, {reference.plugin for reference in found})
            log.warning("disable: no plugin named %s%s", one_line(name), hint)


def warn_of_unknown_tables(tables: Iterable[str], found: Sequence[HookReference]) -> None:
    """One line for each ``[plugins.NAME]`` whose hook plugin is not installed."""
    names = {reference.plugin for reference in found}
    for name in tables:
        if name not in names:
            hint = suggestion(name, names)
            log.warning("[plugins.%s] is unused: no hook plugin has that name%s", one_line(name), hint)


def warn_of_unknown_models(tables: Iterable[str], optional: Iterable[str], models: Set[str], plugins: Set[str]) -> None:
    """One line for each ``[models.NAME]`` that no model has, and each optional name of no model and no plugin."""
    for name in tables:
        if name not in models:
            hint = suggestion(name, models)
            log.warning("[models.%s] is unused: no model has that name%s", one_line(name), hint)
    for name in optional:
        if name not in models | plugins:
            hint = suggestion(name, models | plugins)
            log.warning("optional: no model or plugin named %s%s", one_line(name), hint)


def check_requirements(required: Sequence[str]) -> None:
    """ConfigError for those of ``required`` (such as ``acme-resnet>=1.2``) that are not installed as they ask."""
    if missing := [problem for text in required if (problem := _missing(text))]:
        raise ConfigError(*missing)


def _missing(text: str) -> str:
    from packaging.requirements import Requirement

    requirement = Requirement(text)
    version = installed_version(requirement.name)
    if version is not None and requirement.specifier.contains(version, prereleases=True):
        return ""
    if version is None:
        return f"require {text}: it is not installed; run: pip install '{text}'"
    return f"require {text}: {requirement.name} {version} is installed; run: pip install '{text}'"


def without(found: Sequence[R], disabled: Sequence[str]) -> list[R]:
    """The references that no name in ``disabled`` matches."""
    return [reference for reference in found if not any(_has_name(reference, name) for name in disabled)]


def _has_name(reference: Reference, name: str) -> bool:
    head, slash, tail = name.rpartition("/")
    return bool({name, canonical(name), f"{canonical(head)}{slash}{tail}"} & reference.names)
