"""`python -m benchmarks versions --before PYTHON`: what a change costs, this checkout beside an earlier version."""

from __future__ import annotations

import functools
import subprocess
from pathlib import Path

from benchmarks.errors import BenchmarkError
from benchmarks.installed import PACKAGE
from benchmarks.servers import Starter
from benchmarks.servers.ours import start_ours
from benchmarks.servers.server import plain_environment
from benchmarks.table import Comparison, pairs_with

TITLES = {"before": "before", "after": "this checkout"}
LOADS = "grpc-1,grpc-8,grpc-32"
ROUNDS = 10


def comparison(before: Path) -> Comparison:
    """This checkout beside the framework that is installed for the Python ``before``; BenchmarkError without one."""
    check_installed(before)
    starters: dict[str, Starter] = {"before": functools.partial(start_ours, python=before), "after": start_ours}
    return Comparison(starters, TITLES, (("after", "before"),), pairs_with("before", TITLES))


def check_installed(python: Path) -> None:
    """Raise BenchmarkError unless the framework is installed for ``python``."""
    command = [str(python), "-c", f"import {PACKAGE}.cli"]
    try:
        answer = subprocess.run(command, cwd="/", env=plain_environment(), stderr=subprocess.PIPE, text=True)
    except OSError as error:
        raise BenchmarkError(f"--before {python}: {error.strerror}") from None
    if answer.returncode:
        reason = answer.stderr.strip().splitlines()[-1]
        raise BenchmarkError(f"--before {python}: {PACKAGE} is not installed there ({reason}); install it")
