"""Which tritonserver to run: the one that was asked for, else what hooks or the machine offer; runs in the host."""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from pytriton_plugins.errors import ServerError

if TYPE_CHECKING:
    from pytriton_plugins.hooks.manager import HookManager

_USUAL_PLACE = Path("/opt/tritonserver/bin/tritonserver")


@attrs.frozen
class FoundServer:
    """A tritonserver program, and who named it."""

    path: Path
    source: str


def find_tritonserver(explicit: Path | None, hooks: HookManager) -> FoundServer:
    """The tritonserver to run; raises ServerError that says what to install or correct."""
    if explicit is not None:
        return _checked(explicit, "named by --tritonserver, its variable or the file")
    candidates = tuple(path for path in (_on_path(), _USUAL_PLACE) if path and os.access(path, os.X_OK))
    answer = hooks.choose_server(candidates)
    if answer is None:
        raise ServerError(
            "no tritonserver was found on PATH or in /opt/tritonserver; install the bundled one with "
            "'pip install pytriton-plugins-tritonserver', or name yours with --tritonserver PATH"
        )
    return _checked(Path(answer.value), f"named by {answer.plugin}")


def _on_path() -> Path | None:
    found = shutil.which("tritonserver")
    return Path(found) if found else None


def _checked(path: Path, source: str) -> FoundServer:
    if not path.is_file() or not os.access(path, os.X_OK):
        raise ServerError(
            f"tritonserver {path} ({source}) is no program that can be run; name another with --tritonserver"
        )
    return FoundServer(path.resolve(), source)


@functools.cache
def server_help(path: Path) -> str:
    """What ``tritonserver --help`` prints: servers refuse options that they do not know. Empty if it cannot run."""
    try:
        done = subprocess.run([path, "--help"], capture_output=True, text=True, timeout=20, errors="replace")
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout + done.stderr


def knows_option(path: Path, name: str) -> bool:
    """Whether this server has the option ``--name``."""
    return re.search(rf"^\s*--{re.escape(name)}\b", server_help(path), re.MULTILINE) is not None
