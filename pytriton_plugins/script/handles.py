"""The models that a program has added to its daemon."""

from __future__ import annotations

import time
from typing import Any

from pytriton_plugins.errors import ControlError, HostError
from pytriton_plugins.script.process import ANSWER_SECONDS, DaemonProcess

REMOVE_TIMEOUT = 180.0
_POLL_INTERVAL = 0.05


class ModelHandle:
    """The models of one target that `Host.add` serves: ``names`` has the name and version of each."""

    def __init__(self, daemon: DaemonProcess, names: tuple[tuple[str, int], ...]) -> None:
        self._daemon = daemon
        self._names = names
        self._replaced: set[tuple[str, int]] = set()
        self._removed: set[tuple[str, int]] = set()

    def __repr__(self) -> str:
        label = ", ".join(f"{name} version {version}" for name, version in self.names)
        return f"<ModelHandle {label}, served by the daemon's workers{'' if self.is_served else ', removed'}>"

    @property
    def names(self) -> tuple[tuple[str, int], ...]:
        """The name and version of each model."""
        return self._names

    @property
    def is_served(self) -> bool:
        """Whether any model of it may be served: it was not removed or replaced, and the daemon runs."""
        gone = self._replaced | self._removed
        return self._daemon.is_usable and not gone.issuperset(self._names)

    def replaced(self, name: str, version: int) -> None:
        """Another handle has that model from now on, so this one does not remove it."""
        self._replaced.add((name, version))

    def ready(self, timeout: float = 60.0) -> None:
        """Return when every model is ready; raises HostError with the reason after ``timeout`` seconds.

        A model that `remove` or somebody else has unloaded never will be: that raises at once.
        """
        until = time.monotonic() + timeout
        while reasons := self._why_not():
            if time.monotonic() > until or any(is_final for _, is_final in reasons):
                raise HostError(*[f"not ready: {reason}" for reason, _ in reasons])
            time.sleep(_POLL_INTERVAL)

    def remove(self, timeout: float = REMOVE_TIMEOUT) -> None:
        """Serve the models no longer, and end their workers; requests that run get ``timeout`` seconds.

        A model that is not served any more, or that another handle has, is left out, and nothing happens when the
        daemon has ended. Raises ControlError where the daemon refuses, HostError where it does not answer.
        """
        for name, version in self.names:
            if self._daemon.is_usable:
                self.remove_one(name, version, timeout)

    def remove_one(self, name: str, version: int, timeout: float = REMOVE_TIMEOUT) -> None:
        """Remove one of the models."""
        if (name, version) in self._replaced:
            return
        if not self._status().get((name, version), {}).get("unloaded", True):
            question = {"command": "unload", "model": name, "version": version, "timeout": timeout}
            self._daemon.ask(question, 2 * timeout + ANSWER_SECONDS)
        self._removed.add((name, version))

    def _why_not(self) -> list[tuple[str, bool]]:
        """The reasons, each with whether it stays."""
        models = self._status()
        found = []
        for name, version in self.names:
            model = models.get((name, version), {"ready": False, "unloaded": True, "reason": "it is not served"})
            if (name, version) in self._replaced:
                found.append((f"model {name}: another handle has it", True))
            elif not model["ready"]:
                found.append((f"model {name}: {model['reason']}", bool(model["unloaded"])))
        return found

    def _status(self) -> dict[tuple[str, int], Any]:
        status: Any = self._daemon.answer("status")
        return {(each["model"], each["version"]): each for each in status["models"]}


def add(daemon: DaemonProcess, target: str, timeout: float) -> ModelHandle:
    """Have the daemon serve ``target``; raises ControlError with why it does not."""
    question = {"command": "load", "target": target, "timeout": timeout}
    answer: Any = daemon.ask(question, timeout + ANSWER_SECONDS)
    if "models" not in answer:
        raise ControlError("the daemon has another version; install one version of pytriton-plugins")
    return ModelHandle(daemon, tuple((str(each["model"]), int(each["version"])) for each in answer["models"]))
