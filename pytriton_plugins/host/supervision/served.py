"""The one answer to the question whether a model can be called, of plugins, attached callables and repositories."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from pytriton_plugins.text.suggestions import suggestion

if TYPE_CHECKING:
    from pytriton_plugins.host.repositories.model import RepositoryModel
    from pytriton_plugins.host.repositories.models import RepositoryModels
    from pytriton_plugins.host.supervision.records import PluginRecord
    from pytriton_plugins.host.supervision.supervisor import ModelSupervisor
    from pytriton_plugins.values import ModelStatus


class PluginModels(Protocol):
    """The registry, as far as it holds the models of plugins and repositories."""

    records: list[PluginRecord]
    repositories: RepositoryModels

    @property
    def models(self) -> Mapping[tuple[str, int], ModelSupervisor]: ...


class ServedModels:
    """Looks among all models of one daemon. A version of None means any version."""

    def __init__(self, registry: PluginModels) -> None:
        self._registry = registry

    def why_not(self, name: str, version: int | None = None) -> str:
        """Why no request for this model can be answered now, in words that name it; empty if one can."""
        if repository := self._of_repository(name):
            return self._said(name, version, [repository.why_not(version)])
        models = self._of_plugins(name, version)
        return self._said(name, version, [model.status().reason for model in models])

    def awaits(self, name: str, version: int | None = None) -> bool:
        """Whether it is not served yet and may still be, without anyone's doing."""
        if repository := self._of_repository(name):
            return repository.is_awaited
        if models := self._of_plugins(name, version):
            return any(not (model.loaded or model.error) for model in models)
        return any(not (record.models or record.error or record.declared) for record in self._registry.records)

    def steps(self, name: str) -> list[str]:
        """The models that the ensemble of that name contains; none for any other model."""
        repository = self._of_repository(name)
        return [step.model for step in repository.found.steps] if repository else []

    def statuses(self) -> tuple[ModelStatus, ...]:
        """One for each model and version, in this order."""
        registry = self._registry
        models = [*(each.status() for each in registry.models.values()), *registry.repositories.statuses()]
        return tuple(sorted(models, key=lambda model: (model.name, model.version)))

    async def settle(self) -> None:
        """All plugins are imported: return when every model serves or has failed."""
        self._registry.repositories.begin()
        await asyncio.gather(*[model.settled() for model in self._registry.models.values()])
        await self._registry.repositories.settle()

    def _of_repository(self, name: str) -> RepositoryModel | None:
        return self._registry.repositories.models.get(name)

    def _of_plugins(self, name: str, version: int | None) -> list[ModelSupervisor]:
        models = self._registry.models.items()
        return [model for key, model in models if key[0] == name and version in (None, key[1])]

    def _said(self, name: str, version: int | None, reasons: Sequence[str]) -> str:
        """The first of ``reasons``, unless one is empty; without any there is no such model."""
        if not reasons:
            return self._unknown(name, version)
        return "" if "" in reasons else f"model {name}: {reasons[0]}"

    def _unknown(self, name: str, version: int | None) -> str:
        broken = (each for each in self._registry.repositories.broken() if each.model == name)
        if found := next(broken, None):
            return f"model {name}: {found.error}"
        known = {key[0] for key in self._registry.models} | set(self._registry.repositories.models)
        if name in known:
            return f"model {name} has no version {version}"
        return f"there is no model {name}{suggestion(name, known)}"
