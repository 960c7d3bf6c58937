"""Whether a worker speaks the daemon's version of the protocol, by its first message."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from pytriton_plugins.discovery.entry_points import framework_version
from pytriton_plugins.shm.wire import VERSION
from pytriton_plugins.text import one_line


def wrong_version(hello: Mapping[str, Any], python: str) -> str:
    """Why the worker that sent ``hello`` cannot be used, in one line; empty if it can. ``python`` runs it."""
    theirs = hello.get("protocol")
    if theirs == VERSION:
        return ""
    if python == sys.executable:
        remedy = "pytriton-plugins was replaced since the daemon started; restart the daemon"
    else:
        ours = framework_version()
        remedy = f"install the daemon's version: {python} -m pip install --no-deps pytriton-plugins=={ours}"
    shown = one_line(repr(theirs), 20)
    return f"its worker speaks version {shown} of the protocol, the daemon version {VERSION}; {remedy}"
