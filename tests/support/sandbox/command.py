"""One call of the installed `pytriton-host` in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping

from pytriton_plugins.testing.host import PROGRAM, complaints


def call_host(
    *arguments: str, env: Mapping[str, str] | None = None, timeout: float = 120
) -> subprocess.CompletedProcess[str]:
    """The output and the exit code; ``env`` is added to this process's own variables.

    Fails if asyncio has complained.
    """
    command = [sys.executable, "-c", PROGRAM, *arguments]
    done = subprocess.run(
        command, env={**os.environ, **(env or {})}, capture_output=True, text=True, timeout=timeout, check=False
    )
    assert not complaints(done.stderr), done.stderr
    return done
