"""The output of `pytriton-host --version`."""

from __future__ import annotations

import os
import platform
import sys

from pytriton_plugins.cli.environment import current_folder
from pytriton_plugins.config.loading import load_config
from pytriton_plugins.discovery.entry_points import framework_version
from pytriton_plugins.errors import PytritonPluginsError
from pytriton_plugins.hooks.manager import HookManager


def version_lines() -> list[str]:
    """The version of this program and of Python, and the tritonserver that `serve` would run, or why there is none."""
    return [
        f"pytriton-host {framework_version()}",
        f"Python {platform.python_version()} ({sys.executable})",
        f"tritonserver {_server()}",
    ]


def _server() -> str:
    # Imported here, so that other commands do not pay for it.
    from pytriton_plugins.host.triton.locate import find_tritonserver

    try:
        config = load_config((), {}, os.environ, current_folder())
        found = find_tritonserver(config.tritonserver, HookManager.installed())
    except PytritonPluginsError as error:
        return f"none: {error}"
    return f"{found.path} ({found.source})"
