"""Finds models that two repositories have, and ensembles that name each other."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import attrs

from pytriton_plugins.host.repositories.found import FoundModel, FoundRepository
from pytriton_plugins.text.suggestions import suggestion


def checked(repositories: Sequence[FoundRepository]) -> list[FoundRepository]:
    """``repositories`` with the errors of models that cannot be served beside each other."""
    models = [model for repository in repositories for model in repository.models]
    errors = {**_cycles({model.name: model for model in models}), **_shared_names(models)}
    return [_with_errors(repository, errors) for repository in repositories]


def checked_beside(
    repositories: Sequence[FoundRepository], plugins: Mapping[str, str]
) -> tuple[list[FoundRepository], dict[str, str]]:
    """The same with the errors that come of the plugins' models, by name with their place, and those models' errors."""
    models = [model for each in repositories for model in each.models if not model.error]
    shared = {
        each.name: two_places(each.name, plugins[each.name], each.place) for each in models if each.name in plugins
    }
    known = plugins.keys() | {model.name for model in models}
    missing = {model.name: _missing(model, known) for model in models}
    return [_with_errors(each, {**missing, **shared}) for each in repositories], shared


def _missing(model: FoundModel, known: Collection[str]) -> str:
    names = (step.model for step in model.steps if step.model not in known)
    return next((f"contains {name}, but there is no model of this name{suggestion(name, known)}" for name in names), "")


def two_places(name: str, one: str, other: str) -> str:
    """The message about a name that two places have."""
    return f"model {name} comes from {one} and {other}; rename one of them, or take one away from what is served"


def _with_errors(repository: FoundRepository, errors: Mapping[str, str]) -> FoundRepository:
    models = [
        model if model.error else attrs.evolve(model, error=errors.get(model.name, "")) for model in repository.models
    ]
    return attrs.evolve(repository, models=tuple(models))


def _shared_names(models: Sequence[FoundModel]) -> dict[str, str]:
    places: dict[str, list[str]] = {}
    for model in models:
        places.setdefault(model.name, []).append(model.place)
    return {name: two_places(name, *found[:2]) for name, found in places.items() if len(found) > 1}


def _cycles(models: Mapping[str, FoundModel]) -> dict[str, str]:
    """A message for each ensemble that is one of its own models, by way of others or not."""
    found = ((name, _way_back(models, name)) for name in models)
    return {
        name: f"the ensemble contains itself: {' → '.join(way)}; correct ensemble_scheduling"
        for name, way in found
        if way
    }


def _way_back(models: Mapping[str, FoundModel], start: str) -> list[str]:
    """The names from ``start`` to itself; none if there is no such way."""
    ways, seen = [[start]], set[str]()
    while ways:
        way = ways.pop()
        for step in models[way[-1]].steps if way[-1] in models else ():
            if step.model == start:
                return [*way, start]
            if step.model not in seen:
                seen.add(step.model)
                ways.append([*way, step.model])
    return []
