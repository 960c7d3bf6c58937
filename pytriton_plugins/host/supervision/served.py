"""Whether a model is served, by name and version, and why not: of plugins, attached callables and repositories."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from pytriton_plugins.model.call_graph import why_unknown
from pytriton_plugins.model.callee import Callee

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytriton_plugins.config.host_config import HostConfig
    from pytriton_plugins.host.repositories.model import RepositoryModel
    from pytriton_plugins.host.repositories.models import RepositoryModels
    from pytriton_plugins.host.supervision.supervisor import ModelSupervisor
    from pytriton_plugins.model.declaration import ModelDeclaration
    from pytriton_plugins.values import ModelStatus

Answer = TypeVar("Answer", str, bool)
_CYCLE = "it calls itself over other models"


class ServedModels:
    """Looks among all models of the daemon; a version of 0 means any."""

    def __init__(
        self,
        config: HostConfig,
        models: Mapping[tuple[str, int], ModelSupervisor],
        repositories: RepositoryModels,
    ) -> None:
        self._config = config
        self._models = models
        self._repositories = repositories
        self.all_known = False
        """Every plugin of the start was imported or has failed: a name without a model has none."""
        self._answers: dict[tuple[str, str, int], Any] = {}
        """Those of the look that is going on: many ways may lead to a model, and calls may form a cycle."""

    def why_not(self, name: str, version: int = 0) -> str:
        """Why a call of this model would not be answered now; empty if it would."""
        return self._look(self._why_not, name, version, of_cycle=_CYCLE)

    def _why_not(self, name: str, version: int) -> str:
        if repository := self._of_repository(name):
            return repository.why_not(version)
        found = self._found(name, version)
        served = [model for model in found if model.is_served]
        return (served or found)[-1].status().reason if found else self._why_unknown(name, version)

    def why_not_loaded(self, name: str, version: int = 0) -> str:
        """Why Triton does not have this model; empty if it does, with or without a live worker."""
        return self._look(self._why_not_loaded, name, version, of_cycle=_CYCLE)

    def _why_not_loaded(self, name: str, version: int) -> str:
        if repository := self._of_repository(name):
            return repository.why_not_loaded(version)
        found = self._found(name, version)
        if any(model.is_served for model in found):
            return ""
        return found[-1].status().reason if found else self._why_unknown(name, version)

    def awaits(self, name: str, version: int = 0) -> bool:
        """Whether this model is not loaded, and will be, or fail, without a change by an operator."""
        return self._look(self._awaits, name, version, of_cycle=False)

    def _awaits(self, name: str, version: int) -> bool:
        if repository := self._of_repository(name):
            return repository.is_awaited
        found = self._found(name, version)
        return any(model.is_coming for model in found) if found else not self.all_known

    def callee_problem(self, declaration: ModelDeclaration) -> str:
        """Why a model that this one declares it calls is not loaded in Triton; empty if all are."""
        return self._problem(declaration, self.why_not_loaded)

    def call_problem(self, declaration: ModelDeclaration) -> str:
        """Why a call that this model declares would not be answered now; empty if all would."""
        return self._problem(declaration, self.why_not)

    def awaits_callees(self, declaration: ModelDeclaration) -> bool:
        """Whether each model that this one calls is loaded, or will be without a change by an operator."""
        return all(
            not self.why_not_loaded(callee.name, callee.version) or self.awaits(callee.name, callee.version)
            for callee in declaration.calls
        )

    def statuses(self) -> tuple[ModelStatus, ...]:
        """One for each model and version, in this order."""
        models = [*(each.status() for each in self._models.values()), *self._repositories.statuses()]
        return tuple(sorted(models, key=lambda model: (model.name, model.version)))

    async def settle(self) -> None:
        """All plugins are imported: return when every model serves or has failed."""
        self._repositories.begin()
        await asyncio.gather(*[model.settled() for model in self._models.values()])
        await self._repositories.settle()

    def ensembles(self) -> list[ModelDeclaration]:
        """The models of repositories, of which ensembles call those that they contain."""
        return self._repositories.nodes()

    def _of_repository(self, name: str) -> RepositoryModel | None:
        return self._repositories.models.get(name)

    def _problem(self, declaration: ModelDeclaration, why_not: Callable[[str, int], str]) -> str:
        for callee in declaration.calls:
            if reason := why_not(callee.name, callee.version):
                return f"calls {callee}, which is not served: {reason}"
        return ""

    def _found(self, name: str, version: int) -> list[ModelSupervisor]:
        """The models of that name, the highest version last: that one is called by a name alone."""
        found = [model for model in self._models.values() if model.name == name]
        chosen = [model for model in found if version in (0, model.declaration.version)]
        return sorted(chosen, key=lambda model: model.declaration.version)

    def _look(self, ask: Callable[[str, int], Answer], name: str, version: int, *, of_cycle: Answer) -> Answer:
        """The answer about a model, which is asked once a look; ``of_cycle`` while its own answer depends on it."""
        key = (ask.__name__, name, version)
        if key in self._answers:
            known: Answer = self._answers[key]
            return known
        is_outermost = not self._answers
        self._answers[key] = of_cycle
        try:
            answer = self._answers[key] = ask(name, version)
        finally:
            if is_outermost:
                self._answers.clear()
        return answer

    def _why_unknown(self, name: str, version: int) -> str:
        broken = (each.error for each in self._repositories.broken() if each.model == name)
        if error := next(broken, ""):
            return error
        declarations = [*(model.declaration for model in self._models.values()), *self.ensembles()]
        return why_unknown(Callee(name, version), declarations, lambda each: self._config.model(each).enabled)
