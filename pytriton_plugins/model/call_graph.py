"""The models that call each other by declaration: cycles, an order for loading, and callees that do not exist."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from pytriton_plugins.model.callee import Callee
from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.text.suggestions import suggestion

Key = tuple[str, int]
"""A name and a version."""


def callers_of(name: str, version: int, models: Iterable[ModelDeclaration]) -> list[ModelDeclaration]:
    """The models that declare a call which may reach this version of this model."""
    return [model for model in models if any(callee.is_served_by(name, version) for callee in model.calls)]


def call_problems(
    model: ModelDeclaration, models: Sequence[ModelDeclaration], is_enabled: Callable[[str], bool]
) -> list[str]:
    """The problems of the calls of ``model`` where all of ``models`` are served: unknown callees, and a cycle."""
    cycle = cycle_problem(model, models)
    missing = [callee for callee in model.calls if not _targets(callee, models)]
    problems = [f"calls {each}, but {why_unknown(each, models, is_enabled)}" for each in missing]
    return [*problems, *([cycle] if cycle else [])]


def why_unknown(callee: Callee, models: Iterable[ModelDeclaration], is_enabled: Callable[[str], bool]) -> str:
    """Why none of ``models`` is this callee."""
    versions = sorted(each.version for each in models if each.name == callee.name)
    if versions:
        return f"it has no version {callee.version}, only {', '.join(map(str, versions))}"
    if not is_enabled(callee.name):
        return "it is disabled (enabled = false)"
    return f"there is no model of this name{suggestion(callee.name, {each.name for each in models})}"


def cycle_problem(model: ModelDeclaration, models: Iterable[ModelDeclaration]) -> str:
    """The problem of calls that lead back to ``model``, with their chain; empty for none.

    A callee without a version counts as every version that there is. Every model of a cycle gets the same text.
    """
    every = {_key(each): each for each in models} | {_key(model): model}
    chain = _cycle(model, sorted(every.values(), key=_key))
    if not chain:
        return ""
    first = chain.index(min(chain))
    labels = [_label(key, every) for key in (*chain[first:], *chain[:first], chain[first])]
    return f"the declared calls form a cycle: {' → '.join(labels)}; remove one of them from calls=[…]"


def in_load_order(models: Sequence[ModelDeclaration]) -> list[ModelDeclaration]:
    """The models in their order, but each after those that it calls; the members of a cycle in any order."""
    ordered: dict[Key, ModelDeclaration] = {}
    entered: set[Key] = set()

    def add(model: ModelDeclaration) -> None:
        if _key(model) in entered:
            return
        entered.add(_key(model))
        for callee in model.calls:
            for target in _targets(callee, models):
                add(target)
        ordered[_key(model)] = model

    for model in models:
        add(model)
    return list(ordered.values())


def _cycle(model: ModelDeclaration, models: Sequence[ModelDeclaration]) -> list[Key]:
    """The shortest chain of calls from ``model`` to one that calls it; empty for none."""
    chains = [[model]]
    seen = {_key(model)}
    for chain in chains:  # grows meanwhile
        for callee in chain[-1].calls:
            for target in _targets(callee, models):
                if _key(target) == _key(model):
                    return [_key(each) for each in chain]
                if _key(target) not in seen:
                    seen.add(_key(target))
                    chains.append([*chain, target])
    return []


def _targets(callee: Callee, models: Iterable[ModelDeclaration]) -> list[ModelDeclaration]:
    return [each for each in models if callee.is_served_by(each.name, each.version)]


def _key(model: ModelDeclaration) -> Key:
    return model.name, model.version


def _label(key: Key, every: Iterable[Key]) -> str:
    name, version = key
    return name if [each for each, _ in every].count(name) == 1 else f"{name} version {version}"
