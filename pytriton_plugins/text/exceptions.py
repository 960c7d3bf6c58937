"""Type, name, text and traceback of exceptions of other people's code, without running any of it but ``__str__``.

`isinstance` asks an exception for its class, a class may have a name that raises, and ``__str__`` may return an object
of a subclass of `str`. None of these may break the process that reports the exception.
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
_MAX_FRAMES = 50


def is_a(error: BaseException, *kinds: type[E]) -> TypeGuard[E]:
    """Whether the type of ``error`` is one of ``kinds``, also where its ``__class__`` says something else."""
    return issubclass(type(error), kinds)


def name_of(error: BaseException) -> str:
    """The name that its class was given."""
    return str.__str__(_NAME.__get__(type(error)))


def text_of(error: BaseException) -> str:
    """``str(error)``; empty where that fails."""
    try:
        return str.__str__(str(error))
    except BaseException:
        return ""


def code_of(error: BaseException) -> object:
    """The argument of the ``sys.exit`` call that raised ``error``."""
    return _CODE.__get__(error)


def info_of(error: BaseException) -> tuple[type[BaseException], BaseException, TracebackType | None]:
    """``error`` as `logging` takes it for ``exc_info``."""
    return type(error), error, _TRACE.__get__(error)


def traced(error: BaseException) -> str:
    """Its traceback as Python shows it; where that fails, without causes and source lines."""
    try:
        return "".join(traceback.format_exception(*info_of(error))).rstrip("\n")
    except BaseException as failure:
        note = f"[{name_of(failure)} while it was shown: without causes and source lines]"
        return "\n".join([note, *_frames(error), f"{name_of(error)}: {text_of(error)}"])


def _frames(error: BaseException) -> Iterator[str]:
    lines: collections.deque[str] = collections.deque(maxlen=_MAX_FRAMES)
    trace = info_of(error)[2]
    while trace is not None:
        code = trace.tb_frame.f_code
        lines.append(f'  File "{code.co_filename}", line {trace.tb_lineno}, in {code.co_name}')
        trace = trace.tb_next
    yield from lines
