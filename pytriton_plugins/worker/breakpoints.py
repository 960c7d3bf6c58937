"""A debugger in a served worker has no terminal: the request fails, and one line says what to do instead."""

from __future__ import annotations

import os
import sys
from typing import Any, NoReturn

from pytriton_plugins.text.exceptions import name_of

NO_TERMINAL = (
    "a served model has no terminal for a debugger; "
    "run 'pytriton-host debug MODEL NAME=VALUE', or use call_model in a test"
)


def refuse_breakpoints() -> None:
    """Have ``breakpoint()`` raise from now on, unless PYTHONBREAKPOINT is set."""
    if not os.environ.get("PYTHONBREAKPOINT"):
        sys.breakpointhook = _refuse


def has_no_terminal(error: BaseException) -> bool:
    """Whether ``error`` is pdb's for an input that ended at once, in a served worker."""
    return name_of(error) == "BdbQuit" and sys.breakpointhook is _refuse


def _refuse(*_: Any, **__: Any) -> NoReturn:
    raise RuntimeError(f"breakpoint(): {NO_TERMINAL}")
