"""Waits until a daemon serves, or says why it does not."""

from __future__ import annotations

import time
from typing import Any

from pytriton_plugins.errors import HostError
from pytriton_plugins.script.process import ANSWER_SECONDS, DaemonProcess

_POLL_INTERVAL = 0.05
_BEGIN_SECONDS = 120.0
"""Seconds in which a daemon has imported its hook plugins and answers, if no timeout is given."""

_FAILED_SECONDS = 0.5
"""Seconds for which a model or plugin that has failed keeps a started daemon not ready before that is an error."""

_NOT_READY_SECONDS = 60.0
"""The same for any other reason, such as the verdict of a hook plugin, if no timeout is given."""


def wait_ready(daemon: DaemonProcess, timeout: float | None) -> dict[str, Any]:
    """The status of the daemon once it is ready.

    Raises HostError with a line for each reason: at once where a required model or plugin has failed, else after
    ``timeout`` seconds. Without a timeout the daemon's own ones hold for imports of models and their loads.
    """
    began = time.monotonic()
    connection = daemon.connect(_BEGIN_SECONDS if timeout is None else timeout)
    try:
        settled: float | None = None
        while True:
            daemon.check()
            status = _asked(daemon, connection)
            now = time.monotonic()
            settled = now if settled is None and status["state"] == "serving" else settled
            if status["ready"]:
                return status
            if _is_over(status, now - began, None if settled is None else now - settled, timeout):
                raise HostError(*_reasons(status))
            time.sleep(_POLL_INTERVAL)
    finally:
        connection.close()


def _asked(daemon: DaemonProcess, connection: Any) -> dict[str, Any]:
    try:
        status: dict[str, Any] = connection.ask({"command": "status"}, ANSWER_SECONDS)
        return status
    except Exception:
        daemon.wait_a_moment()
        daemon.check()
        raise


def _is_over(status: dict[str, Any], waited: float, settled: float | None, timeout: float | None) -> bool:
    if timeout is not None and waited > timeout:
        return True
    if settled is None:
        return False
    return settled > (_FAILED_SECONDS if _failures(status) else _NOT_READY_SECONDS if timeout is None else timeout)


def _failures(status: dict[str, Any]) -> list[str]:
    """The required plugins and models that do not serve."""
    plugins = [f"plugin {each['plugin']}" for each in status["broken"] if each["required"]]
    models = [f"model {each['model']}" for each in status["models"] if each["required"] and not each["ready"]]
    return plugins + models


def _reasons(status: dict[str, Any]) -> list[str]:
    return [f"not ready: {reason}" for reason in status["reasons"]]
