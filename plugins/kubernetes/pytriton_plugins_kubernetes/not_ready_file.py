"""A file that makes the daemon not ready while it exists; read in the daemon's health thread."""

from __future__ import annotations

import os
import stat

from pytriton_plugins.values import Verdict

_MAX_READ = 512
_MAX_SHOWN = 100
"""Characters of the first line."""


def objection(file: str) -> Verdict | None:
    """A failed verdict with the first line of the file as its reason; None while there is no such file."""
    try:
        kind = os.stat(file).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        return Verdict(False, f"{file} may exist: {error.strerror}")
    line = _first_line(file) if stat.S_ISREG(kind) else ""
    return Verdict(False, f"{file} exists{f': {line}' if line else ''}")


def _first_line(file: str) -> str:
    """The first line, empty where it cannot be read; never waits, even if the file was replaced meanwhile."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        return _shown(os.read(descriptor, _MAX_READ).decode(errors="replace").partition("\n")[0])
    except OSError:
        return ""
    finally:
        os.close(descriptor)


def _shown(line: str) -> str:
    """``line`` without runs of blanks, control characters as escapes, cut to its maximum."""
    plain = " ".join(line.split())
    text = "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in plain)
    return text if len(text) <= _MAX_SHOWN else text[: _MAX_SHOWN - 1] + "…"
