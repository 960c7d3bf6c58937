"""What a model repository holds, as it was read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import attrs

from pytriton_plugins.discovery.references import RepositoryReference
from pytriton_plugins.model.callee import Callee
from pytriton_plugins.model.declaration import ModelDeclaration


class Step(NamedTuple):
    """A model that an ensemble names; version 0: the latest."""

    model: str
    version: int


@attrs.frozen
class FoundModel:
    """One folder of a repository. ``error`` says why it cannot be served; the rest is empty then."""

    name: str
    folder: Path
    reference: RepositoryReference
    versions: tuple[int, ...] = ()
    """Those that its version policy serves, in rising order."""
    triton_config: Mapping[str, Any] = attrs.field(factory=dict)
    """Its configuration as a JSON value; Triton gets this and does not read the file again."""
    steps: tuple[Step, ...] = ()
    """Those of an ensemble, each model once."""
    declaration: ModelDeclaration | None = None
    """Its tensors as a plugin would declare them, for sample requests; None where they cannot be written so."""
    error: str = ""
    required: bool = True

    def nodes(self) -> list[ModelDeclaration]:
        """Its versions in the graph of calls: an ensemble calls what it contains."""
        calls = tuple(Callee(*step) for step in self.steps)
        return [ModelDeclaration(self.name, each, "function", self.name, (), (), calls=calls) for each in self.versions]

    @property
    def place(self) -> str:
        """Where it comes from, for messages that name two."""
        return f"repository {self.reference.label}"


@attrs.frozen
class FoundRepository:
    """A repository and its models by name; ``error`` says why it cannot be read."""

    reference: RepositoryReference
    models: tuple[FoundModel, ...] = ()
    error: str = ""
    required: bool = True
    disabled: frozenset[str] = frozenset()
    """The names of models that the configuration leaves out."""

    def with_model(self, model: FoundModel) -> FoundRepository:
        """A copy that has ``model`` in the place of the one of its name."""
        others = [each for each in self.models if each.name != model.name]
        return attrs.evolve(self, models=(*others, model), error="")


def names_of(repositories: Iterable[FoundRepository]) -> set[str]:
    """Every name that the configuration may have for one of them, or for a model of one."""
    names: set[str] = set()
    for each in repositories:
        names |= each.reference.names | each.disabled | {model.name for model in each.models}
    return names
