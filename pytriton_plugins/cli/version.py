"""What `pytriton-host --version` prints; runs in the process that was called."""

from __future__ import annotations

import os
import platform
import sys

from pytriton_plugins.cli.app import here
from pytriton_plugins.config.host_config import load_config
from pytriton_plugins.discovery.entry_points import framework_version
from pytriton_plugins.errors import PytritonPluginsError
from pytriton_plugins.hooks.manager import HookManager


def version_lines() -> list[str]:
    """Our version, Python's, and the tritonserver that `serve` would take here; why there is none if so."""
    return [
        f"pytriton-host {framework_version()}",
        f"Python {platform.python_version()} ({sys.executable})",
        f"tritonserver {_server()}",
    ]


def _server() -> str:
    # Looking for a server starts with locating programs and asking plugins, which `--help` has no use for.
    from pytriton_plugins.host.triton.locate import find_tritonserver

    try:
        config = load_config((), {}, os.environ, here())
        found = find_tritonserver(config.tritonserver, HookManager.installed())
    except PytritonPluginsError as error:
        return f"none: {error}"
    return f"{found.path} ({found.source})"
