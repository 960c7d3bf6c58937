# acme_dependency.py
from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import Any

from pytriton_plugins import hookimpl
from pytriton_plugins.values import Verdict

TIMEOUT = 0.3


@hookimpl
def pytriton_check_readiness(settings: Mapping[str, Any]) -> Verdict | None:
    """Not ready while the address accepts no connection."""
    host, _, port = str(settings["address"]).rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=TIMEOUT).close()
    except OSError as error:
        return Verdict(False, f"{host}:{port}: {error.strerror or error}")
    return None
