# acme_ports.py
from __future__ import annotations

import os

import attrs
from pytriton_plugins import hookimpl
from pytriton_plugins.values import Ports


@hookimpl
def pytriton_choose_ports(ports: Ports, attempt: int) -> Ports | None:
    """The platform's port for HTTP; any free ports if a port is in use."""
    if attempt > 0:
        return Ports(http=0, grpc=0, metrics=0)
    text = os.environ.get("ACME_PORT", "")
    if not text:
        return None
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise ValueError(f"invalid port {text!r} in the variable ACME_PORT: expected 1 to 65535")
    return attrs.evolve(ports, http=int(text))
