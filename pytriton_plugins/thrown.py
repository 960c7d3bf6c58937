"""Looks at exceptions of other people's code, and runs none of that but ``__str__``; any process.

`isinstance` asks an exception for its class, a class may have a name that raises, and what ``__str__`` gives may be a
text of a class of theirs: none of that may cost the process that tells of the exception.
"""

from __future__ import annotations

import collections
import traceback
from collections.abc import Iterator
from types import TracebackType
from typing import TypeGuard, TypeVar

E = TypeVar("E", bound=BaseException)

_NAME = type.__dict__["__name__"]
_TRACE = BaseException.__dict__["__traceback__"]
_CODE = SystemExit.__dict__["code"]
_MOST_FRAMES = 50


def is_a(error: BaseException, *kinds: type[E]) -> TypeGuard[E]:
    """Whether ``error`` is one of ``kinds`` by its type, whatever it says of itself."""
    return issubclass(type(error), kinds)


def name_of(error: BaseException) -> str:
    """The name that its class was given."""
    return str.__str__(_NAME.__get__(type(error)))


def text_of(error: BaseException) -> str:
    """What ``str`` says of it; nothing where that fails."""
    try:
        return str.__str__(str(error))
    except BaseException:
        return ""


def code_of(error: BaseException) -> object:
    """What was given to ``sys.exit``, which has raised ``error``."""
    return _CODE.__get__(error)


def info_of(error: BaseException) -> tuple[type[BaseException], BaseException, TracebackType | None]:
    """As `logging` takes it."""
    return type(error), error, _TRACE.__get__(error)


def traced(error: BaseException) -> str:
    """Its traceback as Python shows it; where that fails, without causes and source lines."""
    try:
        return "".join(traceback.format_exception(*info_of(error))).rstrip("\n")
    except BaseException as failed:
        why = f"[{name_of(failed)} while it was shown: without causes and source lines]"
        return "\n".join([why, *_frames(error), f"{name_of(error)}: {text_of(error)}"])


def _frames(error: BaseException) -> Iterator[str]:
    found: collections.deque[str] = collections.deque(maxlen=_MOST_FRAMES)
    trace = info_of(error)[2]
    while trace is not None:
        code = trace.tb_frame.f_code
        found.append(f'  File "{code.co_filename}", line {trace.tb_lineno}, in {code.co_name}')
        trace = trace.tb_next
    yield from found
