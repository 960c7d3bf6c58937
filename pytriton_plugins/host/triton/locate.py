"""Finds the tritonserver to run: the named one, else the choice of hook plugins, else one of this machine."""

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
from pytriton_plugins.host.system.child import describe_exit
from pytriton_plugins.text import one_line

if TYPE_CHECKING:
    from pytriton_plugins.hooks.manager import HookManager

_DEFAULT_PATH = Path("/opt/tritonserver/bin/tritonserver")
_HELP_TIMEOUT = 20.0
"""Seconds for the output of ``--help``."""

_ANOTHER = "name another with --tritonserver"


@attrs.frozen
class FoundServer:
    """A tritonserver program, and its source: an option or a hook plugin."""

    path: Path
    source: str


def find_tritonserver(explicit: Path | None, hooks: HookManager) -> FoundServer:
    """The tritonserver to run; raises ServerError that says what to install or correct."""
    if explicit is not None:
        return _checked(explicit, "named by --tritonserver, its variable or the file")
    candidates = tuple(path for path in (_on_path(), _DEFAULT_PATH) if path and os.access(path, os.X_OK))
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
        raise ServerError(f"tritonserver {path} ({source}): not an executable program; {_ANOTHER}")
    return FoundServer(path.resolve(), source)


@functools.cache
def server_help(path: Path) -> str:
    """The output of ``tritonserver --help``: servers refuse unknown options. Raises ServerError."""
    try:
        done = subprocess.run(
            [path, "--help"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_HELP_TIMEOUT,
            errors="replace",
        )
    except OSError as error:
        raise cannot_be_run(path, error) from None
    except subprocess.TimeoutExpired:
        raise ServerError(f"tritonserver {path} --help did not end within {_HELP_TIMEOUT:g} s; {_ANOTHER}") from None
    output = done.stdout + done.stderr
    if not re.search(r"^\s*--\w", output, re.MULTILINE):
        # A server without its libraries reports that here.
        last = " / ".join(output.splitlines()[-4:]) or "none"
        raise ServerError(
            f"tritonserver {path} --help shows no options and ended with {describe_exit(done.returncode)}; "
            f"its last lines: {one_line(last)}; {_ANOTHER}"
        )
    return output


def cannot_be_run(path: Path, error: OSError) -> ServerError:
    return ServerError(f"tritonserver {path} cannot be run: {error.strerror}; {_ANOTHER}")


def server_options(path: Path) -> dict[str, bool]:
    """The options of this server by name, and whether each takes a value."""
    known: dict[str, bool] = {}
    for name, value in re.findall(r"^\s*--([\w-]+)( <)?", server_help(path), re.MULTILINE):
        known[name] = known.get(name, False) or bool(value)  # the text of an option may name others
    return known


def knows_option(path: Path, name: str) -> bool:
    """Whether this server has the option ``--name``."""
    return name in server_options(path)
