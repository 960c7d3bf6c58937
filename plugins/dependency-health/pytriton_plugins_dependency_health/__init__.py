"""The daemon is not ready while a dependency does not answer; called in its health thread."""

from __future__ import annotations

import socket
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any

from pytriton_plugins import hookimpl
from pytriton_plugins.values import Verdict

_WORKERS = ThreadPoolExecutor(8, thread_name_prefix="dependency-health")


@hookimpl
def pytriton_check_readiness(settings: Mapping[str, Any]) -> Verdict | None:
    """Asks all dependencies at once, each within the timeout."""
    timeout = float(settings.get("timeout", 0.3))
    answers = [(url, _WORKERS.submit(_ask_url, url, timeout)) for url in settings.get("urls", ())]
    answers += [(each, _WORKERS.submit(_ask_address, each, timeout)) for each in settings.get("addresses", ())]
    reasons = [reason for name, answer in answers if (reason := _reason(name, answer.result, timeout))]
    return Verdict(False, "; ".join(reasons)) if reasons else None


def _reason(name: str, result: Callable[[float], None], timeout: float) -> str:
    """The problem of one dependency; empty for none."""
    try:
        result(timeout)
    except urllib.error.HTTPError as error:
        with error:  # it holds the connection
            return f"{name} answers {error.code}"
    except (FutureTimeoutError, TimeoutError):
        return f"{name} does not answer within {timeout:g} s"
    except (OSError, ValueError) as error:
        return f"{name}: {getattr(error, 'reason', error)}"
    return ""


def _ask_url(url: str, timeout: float) -> None:
    with urllib.request.urlopen(url, timeout=timeout):
        pass


def _ask_address(address: str, timeout: float) -> None:
    host, _, port = address.rpartition(":")
    with socket.create_connection((host.strip("[]"), int(port)), timeout=timeout):
        pass
