"""The models that a program has added to its daemon."""

from __future__ import annotations

import time
from typing import Any

from pytriton_plugins.errors import ControlError, HostError
from pytriton_plugins.script.process import DaemonProcess

ANSWER_SECONDS = 15.0
"""Seconds that an answer may come after the timeout of the command."""

_POLL_INTERVAL = 0.05


class ModelHandle:
    """The models of one target that `Host.add` serves: ``names`` has the name and version of each."""

    def __init__(self, daemon: DaemonProcess, names: tuple[tuple[str, int], ...]) -> None:
        self._daemon = daemon
        self.names = names

    def __repr__(self) -> str:
        return f"<ModelHandle {self._label()}>"

    def ready(self, timeout: float = 60.0) -> None:
        """Return when every model is ready; raises HostError with the reason after ``timeout`` seconds.

        A model that `remove` or somebody else has unloaded never will be: that raises at once.
        """
        until = time.monotonic() + timeout
        while reasons := self._why_not():
            if time.monotonic() > until or any(is_final for _, is_final in reasons):
                raise HostError(*[f"not ready: {reason}" for reason, _ in reasons])
            time.sleep(_POLL_INTERVAL)

    def remove(self, timeout: float = 180.0) -> None:
        """Serve the models no longer, and end their workers; requests that run get ``timeout`` seconds.

        A model that is not served any more is left out. Raises ControlError where the daemon refuses.
        """
        for name, version in self.names:
            if self._status().get((name, version), {}).get("unloaded", True):
                continue
            question = {"command": "unload", "model": name, "version": version, "timeout": timeout}
            self._daemon.ask(question, 2 * timeout + ANSWER_SECONDS)

    def _why_not(self) -> list[tuple[str, bool]]:
        """The reasons, each with whether it stays."""
        models = self._status()
        found = []
        for name, version in self.names:
            model = models.get((name, version), {"ready": False, "unloaded": True, "reason": "it is not served"})
            if not model["ready"]:
                found.append((f"model {name}: {model['reason']}", bool(model["unloaded"])))
        return found

    def _status(self) -> dict[tuple[str, int], Any]:
        status: Any = self._daemon.ask({"command": "status"}, ANSWER_SECONDS)
        return {(each["model"], each["version"]): each for each in status["models"]}

    def _label(self) -> str:
        return ", ".join(f"{name} version {version}" for name, version in self.names)


def add(daemon: DaemonProcess, target: str, timeout: float) -> ModelHandle:
    """Have the daemon serve ``target``; raises ControlError with why it does not."""
    question = {"command": "load", "target": target, "timeout": timeout}
    answer: Any = daemon.ask(question, timeout + ANSWER_SECONDS)
    if "models" not in answer:
        raise ControlError("the daemon has another version; install one version of pytriton-plugins")
    return ModelHandle(daemon, tuple((str(each["model"]), int(each["version"])) for each in answer["models"]))
