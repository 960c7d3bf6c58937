"""Whether a model is served, by name and version, and why not: for models that call others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pytriton_plugins.model.call_graph import why_unknown
from pytriton_plugins.model.callee import Callee

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytriton_plugins.config.host_config import HostConfig
    from pytriton_plugins.host.supervision.supervisor import ModelSupervisor
    from pytriton_plugins.model.declaration import ModelDeclaration


class ServedModels:
    """Looks among the models of the registry; a version of 0 means any."""

    def __init__(self, config: HostConfig, models: Mapping[tuple[str, int], ModelSupervisor]) -> None:
        self._config = config
        self._models = models
        self.all_known = False
        """Every plugin of the start was imported or has failed: a name without a model has none."""
        self._asked: list[ModelSupervisor] = []
        """Those whose callees are being looked at: calls may form a cycle."""

    def why_not(self, name: str, version: int = 0) -> str:
        """Why a call of this model would not be answered now; empty if it would."""
        found = self._found(name, version)
        served = [model for model in found if model.is_served]
        return self._reason((served or found)[-1]) if found else self._why_unknown(name, version)

    def why_not_loaded(self, name: str, version: int = 0) -> str:
        """Why Triton does not have this model; empty if it does, with or without a live worker."""
        found = self._found(name, version)
        if any(model.is_served for model in found):
            return ""
        return self._reason(found[-1]) if found else self._why_unknown(name, version)

    def awaits(self, name: str, version: int = 0) -> bool:
        """Whether this model is not loaded, and will be, or fail, without a change by an operator."""
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

    def _reason(self, model: ModelSupervisor) -> str:
        if model in self._asked:
            return "it calls itself over other models"
        self._asked.append(model)
        try:
            return model.status().reason
        finally:
            self._asked.pop()

    def _why_unknown(self, name: str, version: int) -> str:
        declarations = [model.declaration for model in self._models.values()]
        return why_unknown(Callee(name, version), declarations, lambda each: self._config.model(each).enabled)
