"""Which of the found plugins are used: the switches of the configuration, before anything is imported; in the host."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence, Set
from typing import TypeVar

from pytriton_plugins.discovery.entry_points import installed_version
from pytriton_plugins.discovery.references import HookReference, ModelReference, Reference, canonical
from pytriton_plugins.errors import ConfigError, HookError
from pytriton_plugins.suggestions import suggestion
from pytriton_plugins.text import one_line

R = TypeVar("R", bound=Reference)

log = logging.getLogger("pytriton.discovery")


def select_models(
    found: Sequence[ModelReference], wanted: Sequence[str] = (), disabled: Sequence[str] = ()
) -> list[ModelReference]:
    """Those that ``wanted`` names (none: all) less those that ``disabled`` names; ConfigError for an unknown one."""
    known = sorted({reference.plugin for reference in found})
    wrong = [name for name in wanted if not any(_is_called(reference, name) for reference in found)]
    if wrong:
        hints = [suggestion(name, known) or f"; installed are {', '.join(known) or 'none'}" for name in wrong]
        said = [f"no model plugin is called {one_line(name)}" for name in wrong]
        raise ConfigError(*[f"{a}{b}; see 'pytriton-host list'" for a, b in zip(said, hints, strict=True)])
    return [each for each in without(found, disabled) if not wanted or any(_is_called(each, name) for name in wanted)]


def select_hooks(found: Sequence[HookReference], disabled: Sequence[str] = ()) -> list[HookReference]:
    """Those that are not disabled; HookError with a line for each name that several have."""
    left = without(found, disabled)
    if same := _of_one_name(left):
        raise HookError(*[f"hook plugin {_conflict(each)}" for each in same])
    return left


def warn_of_unknown(disabled: Sequence[str], found: Sequence[Reference]) -> None:
    """One line for each name that is disabled and is no plugin: it may be another machine's."""
    for name in disabled:
        if not any(_is_called(reference, name) for reference in found):
            hint = suggestion(name, {reference.plugin for reference in found})
            log.warning("disable: no plugin named %s%s", one_line(name), hint)


def warn_of_unknown_tables(tables: Iterable[str], found: Sequence[HookReference]) -> None:
    """One line for each ``[plugins.NAME]`` whose hook plugin is not installed: nobody reads it."""
    names = {reference.plugin for reference in found}
    for name in tables:
        if name not in names:
            log.warning(
                "[plugins.%s] is unused: no hook plugin has that name%s", one_line(name), suggestion(name, names)
            )


def warn_of_unknown_models(tables: Iterable[str], optional: Iterable[str], models: Set[str], plugins: Set[str]) -> None:
    """One line for each ``[models.NAME]`` or optional name that is no model, and for the latter no plugin either."""
    for name in tables:
        if name not in models:
            hint = suggestion(name, models)
            log.warning("[models.%s] is unused: no model has that name%s", one_line(name), hint)
    for name in optional:
        if name not in models | plugins:
            hint = suggestion(name, models | plugins)
            log.warning("optional: no model or plugin named %s%s", one_line(name), hint)


def conflicts(references: Sequence[R]) -> dict[str, str]:
    """What is said of each plugin, by its label, whose name another distribution's plugin has as well.

    Neither wins in silence: what is said of the first names both, with distribution, version and reference, and what
    settles it; the others only say where that stands.
    """
    said = {}
    for first, *others in _of_one_name(references):
        said[first.label] = _conflict([first, *others])
        said |= {other.label: f"its name is that of {first.label} as well; see there" for other in others}
    return said


def _of_one_name(references: Sequence[R]) -> list[list[R]]:
    by_name: dict[str, list[R]] = {}
    for reference in references:
        by_name.setdefault(reference.plugin, []).append(reference)
    return [same for same in by_name.values() if len(same) > 1]


def _conflict(same: Sequence[Reference]) -> str:
    places = " and ".join(f"{each.distribution} {each.version} ({each.value})" for each in same)
    example = canonical(same[-1].distribution)
    return (
        f'{same[0].plugin!r} comes from {places}; write disable = ["{example}"] in pytriton-host.toml or '
        f"--no-plugin {example}, or uninstall one of them"
    )


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
    there = f"{requirement.name} {version} is installed" if version else "it is not installed"
    return f"required is {text}, and {there}; run: pip install '{text}'"


def without(found: Sequence[R], disabled: Sequence[str]) -> list[R]:
    """Those that no name in ``disabled`` is of."""
    return [reference for reference in found if not any(_is_called(reference, name) for name in disabled)]


def _is_called(reference: Reference, name: str) -> bool:
    head, slash, tail = name.rpartition("/")
    return bool({name, canonical(name), f"{canonical(head)}{slash}{tail}"} & reference.names)
