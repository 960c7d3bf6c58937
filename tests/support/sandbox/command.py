"""One call of `pytriton-host` in its own process, as it is installed, not from the checkout."""

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

    Fails if asyncio has reported an error.
    """
    command = [sys.executable, "-c", PROGRAM, *arguments]
    done = subprocess.run(
        command, env={**os.environ, **(env or {})}, capture_output=True, text=True, timeout=timeout, check=False
    )
    assert not complaints(done.stderr), done.stderr
    return done
