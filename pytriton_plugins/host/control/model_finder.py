"""Finds the models that an operator names, and says what is wrong with a name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from pytriton_plugins.errors import ControlError
from pytriton_plugins.text.suggestions import suggestion

if TYPE_CHECKING:
    from pytriton_plugins.host.supervision.registry import ModelRegistry
    from pytriton_plugins.host.supervision.supervisor import ModelSupervisor
    from pytriton_plugins.model.declaration import ModelDeclaration


class ModelFinder:
    """Looks among the models of a registry. A version of None means each that there is."""

    def __init__(self, registry: ModelRegistry) -> None:
        self._registry = registry

    def known(self, name: str, version: int | None) -> list[ModelSupervisor]:
        """The models of that name."""
        return [model for model in self._registry.models.values() if matches(model.declaration, name, version)]

    def chosen(self, name: str, version: int | None) -> list[ModelSupervisor]:
        """The models of that name; raises ControlError if there is none."""
        found = self.known(name, version)
        if not found:
            raise ControlError(
                self.why_unknown(name, version, "there is no model", "; see 'pytriton-host models list'")
            )
        return found

    def of_plugin(self, name: str, version: int | None) -> list[ModelSupervisor]:
        """Every model of the plugin of that name; none where a version is asked for, which plugins do not have."""
        models = self._registry.models.values()
        return [model for model in models if version is None and name in model.reference.names]

    def why_unknown(self, name: str, version: int | None, problem: str, remedy: str = "") -> str:
        """Explain a name without a model: the version is wrong, the name is a plugin's, or ``problem``."""
        models = self._registry.models.values()
        versions = sorted(model.declaration.version for model in models if model.name == name)
        if versions:
            return f"model {name} has no version {version}; it has {', '.join(map(str, versions))}"
        of_plugin = sorted({model.name for model in models if name in model.reference.names})
        if of_plugin:
            return f"{name} is a plugin, not a model; name one of its models: {', '.join(of_plugin)}"
        return f"{problem} {name}{suggestion(name, {model.name for model in models})}{remedy}"


def matches(declaration: ModelDeclaration, name: str, version: int | None) -> bool:
    """Whether the declaration is of that name and version."""
    return declaration.name == name and version in (None, declaration.version)


def why_unserved(models: Iterable[ModelSupervisor]) -> str:
    """Why the first of these models that is not served for its calls is not; empty if there is none."""
    problems = [
        f"model {model.name} version {model.declaration.version} {model.unserved}" for model in models if model.unserved
    ]
    return f"{problems[0]}; load that model" if problems else ""
