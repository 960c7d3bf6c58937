"""A terminal's second screen; the end of the command, unless by SIGKILL, brings the first one back."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

_ENTER, _LEAVE = b"\x1b[?1049h", b"\x1b[?1049l"
"""The cursor stays visible, so that it needs no restoring."""

_ENDING = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


def has_screen(console: Console) -> bool:
    """Whether the console is a terminal with a second screen."""
    return console.is_terminal and not console.is_dumb_terminal


@contextlib.contextmanager
def second_screen(console: Console) -> Iterator[Callable[[RenderableType], None]]:
    """Yields a function that shows its argument on the second screen, in place of the content before."""
    from rich.control import Control
    from rich.screen import Screen

    def show(content: RenderableType) -> None:
        console.control(Control.home())
        console.print(Screen(content), end="")

    before = {number: signal.signal(number, _end) for number in _ENDING}
    before[signal.SIGTSTP] = signal.signal(signal.SIGTSTP, _suspend)
    _send(_ENTER)
    try:
        yield show
    finally:
        sys.stdout.flush()  # else the rest of a drawing would go to the first screen
        _send(_LEAVE)
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _suspend(number: int, frame: FrameType | None) -> None:
    _send(_LEAVE)
    os.kill(os.getpid(), signal.SIGSTOP)
    # Continues here after SIGCONT. The screen is empty until the next content is shown.
    _send(_ENTER)


def _send(control: bytes) -> None:
    # Not through Python's buffers: the signal may have come while one is filled.
    with contextlib.suppress(OSError):
        os.write(1, control)
