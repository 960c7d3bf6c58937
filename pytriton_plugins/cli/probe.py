"""`pytriton-host health` without its heavy imports; in the called process, every few seconds in a container."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from pytriton_plugins.cli.asking import find_host
from pytriton_plugins.errors import ControlError
from pytriton_plugins.text import one_line

CHECKS = ("live", "ready", "startup")
TIMEOUT = 2.0
"""Seconds for an answer unless another time is asked for."""

_SAID = {"live": "not alive", "ready": "not ready", "startup": "not started"}


def quick_probe(arguments: Sequence[str]) -> int | None:
    """The exit code of ``health ARGUMENTS``; None for what only the whole command line understands, such as --help."""
    left = list(arguments)
    run_dir = None
    if left[:1] == ["--run-dir"] and len(left) > 1 and left[1]:
        run_dir, left = left[1], left[2:]
    elif left and left[0].startswith("--run-dir=") and left[0] != "--run-dir=":
        run_dir, left = left[0].partition("=")[2], left[1:]
    return probe(left[0], run_dir) if len(left) == 1 and left[0] in CHECKS else None


def probe(check: str, run_dir: str | None = None, pid: int | None = None, timeout: float = TIMEOUT) -> int:
    """0 if the host passes the check, else 1, and one line on standard error that says why."""
    try:
        host = find_host(run_dir, pid)
        answer = host.ask({"command": "health", "check": check}, timeout)
        if answer["ok"] is True:
            return 0
        said = f"{_SAID[check]}: {'; '.join(map(one_line, answer['reasons']))}"
    except (KeyError, TypeError):
        said = "the running pytriton-host answers in another way than this version understands; use its own"
    except ControlError as error:
        said = str(error)
    sys.stderr.write(f"pytriton-host: {one_line(said, 4000)}\n")
    return 1
