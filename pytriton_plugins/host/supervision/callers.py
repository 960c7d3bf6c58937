"""Models that call others: Triton has them only while it has what they declare to call."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from pytriton_plugins.errors import PytritonPluginsError, ServerGone
from pytriton_plugins.host.supervision.supervisor import READY_GRACE
from pytriton_plugins.host.tasks import background
from pytriton_plugins.model.call_graph import callers_of, cycle_problem

if TYPE_CHECKING:
    from pytriton_plugins.host.supervision.loader import ModelLoader
    from pytriton_plugins.host.supervision.served import ServedModels
    from pytriton_plugins.host.supervision.supervisor import ModelSupervisor
    from pytriton_plugins.model.declaration import ModelDeclaration

_LOG = logging.getLogger("pytriton.host")
_MARGIN = 0.05
_RETRY_DELAY, _LONGEST_DELAY = 1.0, 30.0
"""Seconds until a load or unload that has failed is tried again: each time twice as many."""


class Callers:
    """Loads and unloads callers as their callees come and go. A caller's workers stay, so its return is cheap."""

    def __init__(
        self,
        served: ServedModels,
        loader: ModelLoader,
        current: Mapping[tuple[str, int], ModelSupervisor],
        every: Callable[[], Iterable[ModelSupervisor]],
    ) -> None:
        """``current``: the models that are served; ``every``: those that are replaced and their successors, too."""
        self._served = served
        self._current = current
        self._loader = loader
        self._every = every
        self._followed: dict[ModelSupervisor, asyncio.Task[None]] = {}
        self._later: asyncio.TimerHandle | None = None
        self._refused: dict[ModelSupervisor, str] = {}
        """Those that are about to be given up, and why."""

    async def settle(self) -> None:
        """Return when every model serves or has failed.

        The plugins of the start are imported: what has no model by now has to be loaded by an operator.
        """
        self._served.all_known = True
        self.look()
        await self._served.settle()

    def look(self) -> None:
        """A model, or a worker, may have come or gone."""
        self._look()
        if self._later is not None:
            self._later.cancel()
        # A model without a live worker counts as not ready only then.
        self._later = asyncio.get_running_loop().call_later(READY_GRACE + _MARGIN, self._look)

    def _look(self) -> None:
        for model in [model for model in self._every() if model.declaration.calls and not model.error]:
            if self._change_of(model) is not None and model not in self._followed:
                self._followed[model] = background(self._follow(model))
            if self._served.awaits_callees(model.declaration):
                model.unserved = ""
                model.set_ready(self._served.call_problem(model.declaration))
            elif (not model.loaded or model.held) and model not in self._refused:
                self._settle(model)

    def why_not(self, declaration: ModelDeclaration) -> str:
        """Why a model that is loaded while others serve is refused for its calls; empty if it is not."""
        others = [each.declaration for each in self._every() if not _is_same(each.declaration, declaration)]
        others += self._served.ensembles()
        if problem := cycle_problem(declaration, others):
            return problem
        if self._served.awaits_callees(declaration):
            return ""
        return f"{self._served.callee_problem(declaration)}; load that model first"

    def refuse_cycles(self) -> None:
        """Give up the models of the start whose calls form a cycle."""
        every = {model: model.declaration for model in self._every()}
        for model, declaration in every.items():
            models = [*every.values(), *self._served.ensembles()]
            if not model.error and (problem := cycle_problem(declaration, models)):
                self._refused[model] = problem
        # Not at once: the task that holds a worker, and releases it, may not have begun.
        asyncio.get_running_loop().call_soon(self._give_up_refused)

    def lost_by(self, model: ModelSupervisor) -> list[str]:
        """A line for each model that is not served because this one is not: those that call it, and their callers."""
        others = [each.declaration for each in self._current.values() if not each.error]
        unserved = [each for each in others if self._served.callee_problem(each)]
        lines: dict[tuple[str, int], str] = {}
        lost = [model.declaration]
        for one in lost:  # grows meanwhile
            for caller in callers_of(one.name, one.version, unserved):
                if (caller.name, caller.version) not in lines:
                    what = f"model {caller.name} version {caller.version} calls {one.name}"
                    lines[caller.name, caller.version] = f"{what}, and is not served until {model.name} is loaded again"
                    lost.append(caller)
        return [lines[key] for key in sorted(lines)]

    def _give_up_refused(self) -> None:
        while self._refused:
            model = next(iter(self._refused))
            if not model.error:
                model.give_up(self._refused[model])
            del self._refused[model]

    def _settle(self, model: ModelSupervisor) -> None:
        """Nothing that goes on by itself has the model loaded, so nothing waits for it either."""
        problem = self._served.callee_problem(model.declaration)
        if model.unserved != problem:
            _LOG.warning("model %s: not served: it %s", model.name, problem)
            model.settle_unserved(problem)

    async def _follow(self, model: ModelSupervisor) -> None:
        delay = _RETRY_DELAY
        try:
            while (change := self._change_of(model)) is not None:
                try:
                    await change(model)
                except ServerGone:
                    return  # its workers have the next server load it
                except PytritonPluginsError as error:
                    model.worker_failed(str(error))
                    model.refusal = str(error)
                    self.look()
                    await asyncio.sleep(delay)
                    delay = min(2 * delay, _LONGEST_DELAY)
        finally:
            model.refusal = ""
            del self._followed[model]
            self.look()

    def _change_of(self, model: ModelSupervisor) -> Callable[[ModelSupervisor], Awaitable[None]] | None:
        """What has to be done in Triton for the model; None for nothing."""
        if model.error:
            return None
        problem = self._served.callee_problem(model.declaration)
        if model.loaded:
            is_replaced = self._current.get((model.name, model.declaration.version)) is not model
            return self._withdraw if (problem or model.held) and not is_replaced else None
        return _load if model.held and not problem and len(model.live) else None

    async def _withdraw(self, model: ModelSupervisor) -> None:
        """Unload it, so that Triton takes no request that it could not answer; those that run may finish."""
        if not model.held:
            model.held = True
            self.look()  # its own callers
        await self._loader.unload(model)


async def _load(model: ModelSupervisor) -> None:
    await model.load()


def _is_same(one: ModelDeclaration, other: ModelDeclaration) -> bool:
    return (one.name, one.version) == (other.name, other.version)
