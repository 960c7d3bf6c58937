"""One model of a repository: whether Triton has it, and why not."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import TYPE_CHECKING

from pytriton_plugins.values import ModelStatus

if TYPE_CHECKING:
    from pytriton_plugins.host.repositories.context import Served
    from pytriton_plugins.host.repositories.found import FoundModel

_LOG = logging.getLogger("pytriton.host")
UNLOADED = "it was unloaded"
UNLOADED_BY_CLIENT = "it was unloaded by a client of Triton's API"
_LOADS = "it is being loaded"
_IN_BETWEEN = ("LOADING", "UNLOADING")

States = Mapping[tuple[str, str], str]
"""Triton's state of each name and version."""

WhyNot = Callable[[str, int], str]
"""Why a model with this name and version cannot be used."""


class RepositoryModel:
    """A model that can be served, with all its versions. It has no workers: Triton's own backends run it."""

    def __init__(self, found: FoundModel, served: Served) -> None:
        self.found = found
        self._served = served
        self.ready: Collection[int] = ()
        """The versions that Triton serves now."""
        self.error = ""
        """Why it was not loaded, or is not served any more."""
        self.unloaded = False
        """It was taken out on purpose, and does not count against readiness."""
        self.is_refused = False
        """Its error is not Triton's, so another server would not change it."""
        self.is_paused = False
        """A model that it contains is being unloaded."""
        self._missed = 0

    @property
    def name(self) -> str:
        return self.found.name

    @property
    def required(self) -> bool:
        return self.found.required

    @property
    def wants_load(self) -> bool:
        """Whether it can be loaded now, and is not."""
        return not (self.ready or self.error or self.is_paused or self.why_steps_are_not_loaded())

    @property
    def is_awaited(self) -> bool:
        """Whether it is not served yet and may still be, without anyone's doing."""
        if self.ready or self.error:
            return False
        missing = [step for step in self.found.steps if self._served.why_not_loaded(*step)]
        return all(self._served.awaits(*step) for step in missing)

    def why_not(self, version: int = 0) -> str:
        """Why this version, or 0 any, cannot be called; empty if it can."""
        return self._why_not(version, self._served.why_not)

    def why_not_loaded(self, version: int = 0) -> str:
        """Why Triton does not have this version, or 0 any; empty if it does, with or without a worker below it."""
        return self._why_not(version, self._served.why_not_loaded)

    def _why_not(self, version: int, why_not: WhyNot) -> str:
        if version and version not in self.found.versions:
            return f"it serves no version {version}"
        if not self.ready:
            return self.error or self._why_steps(why_not) or _LOADS
        if version and version not in self.ready:
            return self.error or _LOADS
        return self._why_steps(why_not)

    def why_steps_are_not_loaded(self) -> str:
        """Why Triton does not have the first model that it names and lacks; empty if there is none."""
        return self._why_steps(self._served.why_not_loaded)

    def _why_steps(self, why_not: WhyNot) -> str:
        reasons = ((step.model, why_not(*step)) for step in self.found.steps)
        return next((f"contains {name}, which is not served: {reason}" for name, reason in reasons if reason), "")

    def statuses(self) -> Iterator[ModelStatus]:
        """One for each version."""
        for version in self.found.versions:
            reason = self.why_not(version)
            yield ModelStatus(self.name, version, not reason, 0, reason)

    def take_out(self, reason: str) -> None:
        """It is not to be served until somebody loads it again."""
        self.error, self.unloaded, self.ready = reason, True, ()

    def fail(self, reason: str, *, refused: bool = False) -> None:
        """It cannot be served, or not all versions of it."""
        _LOG.error("model %s of repository %s: %s", self.name, self.found.reference.label, reason)
        self.error, self.is_refused = reason, refused

    def forget_error(self) -> None:
        """It is tried once more."""
        self.error, self.unloaded, self.is_refused, self._missed = "", False, False, 0

    def server_ended(self) -> None:
        """The next server is to load it, unless it was taken out."""
        self.ready = ()
        if not self.unloaded and not self.is_refused:
            self.error = ""

    def see(self, states: States, *, shared: bool) -> bool:
        """Take over what Triton says; whether that is a change. ``shared``: clients may load and unload models."""
        if self.is_refused:  # what Triton has under this name is a plugin's
            return False
        mine = {version: states.get((self.name, str(version)), "") for version in self.found.versions}
        if any(state in _IN_BETWEEN for state in mine.values()):
            return False
        ready = tuple(version for version, state in mine.items() if state == "READY")
        if ready == self.ready:
            self._missed = 0
            return False
        if len(ready) == len(mine) and (shared or not self.unloaded):  # an ensemble comes back with its models
            self.forget_error()
        elif not ready and not self._is_gone(shared):
            return False
        self.ready = () if self.unloaded else ready
        return True

    def _is_gone(self, shared: bool) -> bool:
        """Whether Triton has no version of it any more, seen twice: the end of a reload looks the same."""
        self._missed += 1
        if self._missed < 2:
            return False
        if shared and not self.why_steps_are_not_loaded():
            _LOG.warning("model %s: %s", self.name, UNLOADED_BY_CLIENT)
            self.take_out(UNLOADED_BY_CLIENT)
        return True
