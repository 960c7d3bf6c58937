"""A file that makes the daemon not ready while it exists, whatever it is; runs in the daemon's health thread."""

from __future__ import annotations

import os
import stat

from pytriton_plugins.text import one_line
from pytriton_plugins.values import Verdict

_READ = 512
_SHOWN = 100
"""Characters of the first line."""


def objection(file: str) -> Verdict | None:
    """Against ready, with the first line of the file as the reason; None while there is no such file."""
    try:
        kind = os.stat(file).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        return Verdict(False, f"{file} may exist: {error.strerror}")
    line = _first_line(file) if stat.S_ISREG(kind) else ""
    return Verdict(False, f"{file} exists{f': {line}' if line else ''}")


def _first_line(file: str) -> str:
    """Nothing where it cannot be read; never waits, even if something else has come in the file's place meanwhile."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        return one_line(os.read(descriptor, _READ).decode(errors="replace").partition("\n")[0], _SHOWN)
    except OSError:
        return ""
    finally:
        os.close(descriptor)
