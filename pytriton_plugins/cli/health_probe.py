"""`pytriton-host health` with few imports: containers run it every few seconds."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Sequence

from pytriton_plugins.errors import ControlError
from pytriton_plugins.host.control.client import find_host
from pytriton_plugins.text import one_line

CHECKS = ("live", "ready", "startup")
TIMEOUT = 2.0
"""The default timeout of an answer, in seconds."""

_FAILURES = {"live": "not alive", "ready": "not ready", "startup": "not started"}


def quick_probe(arguments: Sequence[str]) -> int | None:
    """The exit code of ``health ARGUMENTS``; None for arguments that need the full command line, such as --help."""
    words, checks, options = list(arguments), [], dict[str, str]()
    while words:
        word = words.pop(0)
        name, equals, value = word.partition("=")
        if word in CHECKS:
            checks.append(word)
            continue
        if name not in ("--run-dir", "--pid", "--timeout") or not (equals or words):
            return None
        options[name] = value if equals else words.pop(0)
    pid, timeout = options.get("--pid", "1"), options.get("--timeout", str(TIMEOUT))
    valid = re.fullmatch(r"[1-9]\d{0,9}", pid, re.ASCII) and re.fullmatch(r"\d{1,9}(\.\d+)?", timeout, re.ASCII)
    if len(checks) != 1 or not valid or not float(timeout) or options.get("--run-dir", "/").startswith("-"):
        return None
    return probe(checks[0], options.get("--run-dir"), int(pid) if "--pid" in options else None, float(timeout))


def probe(check: str, run_dir: str | None = None, pid: int | None = None, timeout: float = TIMEOUT) -> int:
    """0 if the daemon passes the check, else 1 and one line on standard error with the reason."""
    try:
        host = find_host(run_dir, pid)
        answer = host.ask({"command": "health", "check": check}, timeout)
        if answer["ok"] is True:
            return 0
        messages: tuple[str, ...] = (f"{_FAILURES[check]}: {'; '.join(map(one_line, answer['reasons']))}",)
    except (KeyError, TypeError):
        messages = ("unknown answer: the running pytriton-host has another version; use its own pytriton-host",)
    except ControlError as error:
        messages = error.problems
    if sys.stderr is not None:
        first, *more = messages
        with contextlib.suppress(OSError):  # the exit code is enough
            text = "\n".join([f"pytriton-host: {one_line(first, 4000)}", *more])
            os.write(2, f"{text}\n".encode(errors="backslashreplace"))
    return 1
