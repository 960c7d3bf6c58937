"""`pytriton-host health` without its heavy imports; in the called process, every few seconds in a container."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Sequence

from pytriton_plugins.cli.control_client import find_host
from pytriton_plugins.errors import ControlError
from pytriton_plugins.text import one_line

CHECKS = ("live", "ready", "startup")
TIMEOUT = 2.0
"""Seconds for an answer unless another time is asked for."""

_SAID = {"live": "not alive", "ready": "not ready", "startup": "not started"}


def quick_probe(arguments: Sequence[str]) -> int | None:
    """The exit code of ``health ARGUMENTS``; None for what only the whole command line understands, such as --help."""
    left, checks, options = list(arguments), [], dict[str, str]()
    while left:
        word = left.pop(0)
        name, equals, value = word.partition("=")
        if word in CHECKS:
            checks.append(word)
            continue
        if name not in ("--run-dir", "--pid", "--timeout") or not (equals or left):
            return None
        options[name] = value if equals else left.pop(0)
    pid, timeout = options.get("--pid", "1"), options.get("--timeout", str(TIMEOUT))
    wrong = not re.fullmatch(r"[1-9]\d{0,9}", pid, re.ASCII) or not re.fullmatch(r"\d{1,9}(\.\d+)?", timeout, re.ASCII)
    if len(checks) != 1 or wrong or not float(timeout) or options.get("--run-dir", "/").startswith("-"):
        return None
    return probe(checks[0], options.get("--run-dir"), int(pid) if "--pid" in options else None, float(timeout))


def probe(check: str, run_dir: str | None = None, pid: int | None = None, timeout: float = TIMEOUT) -> int:
    """0 if the host passes the check, else 1, and one line on standard error that says why."""
    try:
        host = find_host(run_dir, pid)
        answer = host.ask({"command": "health", "check": check}, timeout)
        if answer["ok"] is True:
            return 0
        said: tuple[str, ...] = (f"{_SAID[check]}: {'; '.join(map(one_line, answer['reasons']))}",)
    except (KeyError, TypeError):
        said = ("the running pytriton-host answers in another way than this version understands; use its own",)
    except ControlError as error:
        said = error.problems
    if sys.stderr is not None:
        first, *more = said
        with contextlib.suppress(OSError):  # the exit code says the same
            text = "\n".join([f"pytriton-host: {one_line(first, 4000)}", *more])
            os.write(2, f"{text}\n".encode(errors="backslashreplace"))
    return 1
