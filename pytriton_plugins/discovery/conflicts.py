"""Finds plugins that share a name and models that several plugins have, and explains what settles it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from pytriton_plugins.discovery.references import ModelReference, Reference, canonical

if TYPE_CHECKING:
    from pytriton_plugins.model.declaration import ModelDeclaration

T = TypeVar("T")


class ProvidedModel(NamedTuple):
    """A model and the plugin that it comes from."""

    reference: ModelReference
    declaration: ModelDeclaration

    @property
    def key(self) -> tuple[str, int]:
        """Name and version, which only one model may have."""
        return self.declaration.name, self.declaration.version

    def __str__(self) -> str:
        return f"model {self.declaration.name} version {self.declaration.version}"


class ModelConflict(NamedTuple):
    """Several plugins that have a model of one name and version, in the order in which they were given."""

    providers: tuple[ProvidedModel, ...]

    @property
    def key(self) -> tuple[str, int]:
        return self.providers[0].key

    @property
    def explanation(self) -> str:
        """All plugins by name, and what settles it."""
        attached = [each.reference.label for each in self.providers if each.reference.is_attached]
        if attached:
            name = self.providers[0].declaration.name
            return (
                f"{self.providers[0]} is attached by {attached[0]}; remove it there, or with "
                f"pytriton-host models unload {name}, or give one of the models another name"
            )
        plugins = sorted({f"{each.reference.label} ({each.reference.value})" for each in self.providers})
        return (
            f"{self.providers[0]} comes from {' and '.join(plugins)}; disable one of them in pytriton-host.toml or "
            "with --no-plugin, or give one of the models another name"
        )

    @property
    def short_explanation(self) -> str:
        """For every plugin but the first, beside `explanation`, which is shown once."""
        first = self.providers[0]
        return f"its {first} also comes from {first.reference.label}; see the error there"


def model_conflicts(provided: Iterable[ProvidedModel]) -> list[ModelConflict]:
    """The models that are provided more than once."""
    return [ModelConflict(tuple(group)) for group in _shared(provided, lambda each: each.key)]


def plugin_conflicts(references: Sequence[Reference]) -> dict[str, str]:
    """An explanation for each plugin, by its label, whose name another distribution's plugin has as well.

    Neither wins in silence: the explanation of the first names both, with distribution, version and reference, and
    what settles it; those of the others refer to it.
    """
    explanations = {}
    for first, *others in _shared(references, lambda each: each.plugin):
        explanations[first.label] = _explanation([first, *others])
        explanations |= {
            other.label: f"its name is also that of {first.label}; see the error there" for other in others
        }
    return explanations


def shared_names(references: Sequence[Reference]) -> list[str]:
    """An explanation for each name that several plugins have."""
    return [_explanation(group) for group in _shared(references, lambda each: each.plugin)]


def _shared(items: Iterable[T], key: Callable[[T], Hashable]) -> list[list[T]]:
    """The groups of several items with one key."""
    groups: dict[Hashable, list[T]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return [group for group in groups.values() if len(group) > 1]


def _explanation(plugins: Sequence[Reference]) -> str:
    places = " and ".join(f"{each.distribution} {each.version} ({each.value})" for each in plugins)
    example = canonical(plugins[-1].distribution)
    return (
        f'{plugins[0].plugin!r} comes from {places}; write disable = ["{example}"] in pytriton-host.toml or '
        f"--no-plugin {example}, or uninstall one of them"
    )
