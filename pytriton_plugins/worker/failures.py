"""What the client of a failed request is told; runs in the worker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

from pytriton_plugins.errors import ErrorCode, RequestError, ResultError
from pytriton_plugins.text import printable
from pytriton_plugins.worker.breakpoints import NO_TERMINAL, has_no_terminal

MAX_TEXT = 4000
"""Most bytes of UTF-8 in an error text: gRPC turns much longer ones into RESOURCE_EXHAUSTED."""

_CODES: dict[str, ErrorCode] = {code: code for code in get_args(ErrorCode)}


@dataclass(frozen=True)
class RequestFailure:
    """The error that answers a request: Triton's code, and one line of at most `MAX_TEXT` bytes of UTF-8."""

    code: ErrorCode
    message: str


def failure_of(error: Exception, model: str) -> RequestFailure:
    """What ``error``, raised while ``model`` ran, means for the client: no traceback, no control characters."""
    if isinstance(error, RequestError):
        # A subclass may have set any code, or none.
        code = _CODES.get(str(getattr(error, "code", None)), "INTERNAL")
        return RequestFailure(code, one_line(_text(error) or f"model {model!r} refused the request and gave no reason"))
    if isinstance(error, ResultError):
        return RequestFailure("INTERNAL", one_line(_text(error)))
    return RequestFailure("INTERNAL", one_line(_described(error, model)))


def one_line(text: str) -> str:
    """``text`` with unprintable characters escaped, cut to `MAX_TEXT` bytes of UTF-8."""
    shown = printable(text[: MAX_TEXT + 1])
    encoded = shown.encode()
    if len(encoded) <= MAX_TEXT:
        return shown
    return encoded[: MAX_TEXT - 3].decode(errors="ignore") + "…"


def _described(error: Exception, model: str) -> str:
    kind, text = type(error).__name__, _text(error)
    if isinstance(error, MemoryError):
        return f"MemoryError: model {model!r} ran out of memory in its worker" + (f": {text}" if text else "")
    if isinstance(error, RecursionError):
        return f"RecursionError: model {model!r} called itself too deeply" + (f": {text}" if text else "")
    if has_no_terminal(error):
        return f"{kind}: {NO_TERMINAL}"
    return f"{kind}: {text}" if text else kind


def _text(error: Exception) -> str:
    # An exception's own __str__ may raise, and must not take the worker with it.
    try:
        return str(error)
    except Exception:
        return ""
