"""What the client of a failed request is told; runs in the worker."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from pytriton_plugins.errors import CODES, ErrorCode, RequestError, ResultError, check_code
from pytriton_plugins.text import one_line as shorter
from pytriton_plugins.text import printable
from pytriton_plugins.worker.breakpoints import NO_TERMINAL, has_no_terminal

_LOG = logging.getLogger("pytriton.worker")

MAX_TEXT = 4000
"""Most bytes of UTF-8 in an error text: gRPC turns much longer ones into RESOURCE_EXHAUSTED."""

ENDS = (SystemExit, KeyboardInterrupt)
"""What ends the worker, as Python has it; all else fails the requests that it is raised for."""

READ_ONLY = "inputs are read-only: write x = x * 2 instead of x *= 2, or change a copy, x = x.copy()"
"""Numpy names the fault only."""


@dataclass(frozen=True)
class RequestFailure:
    """The error that answers a request: Triton's code, and one line of at most `MAX_TEXT` bytes of UTF-8."""

    code: ErrorCode
    message: str


def ended_by(error: BaseException, who: str) -> str:
    """What ``error``, of which the worker ends, says of ``who``: its code, its class, the thing that raised it."""
    if isinstance(error, SystemExit):
        return f"{who} called sys.exit({'' if error.code is None else shorter(repr(error.code), 100)})"
    text = _text(error)
    return f"{who} raised {type(error).__name__}" + (f": {shorter(text)}" if text else "")


def failure_of(error: BaseException, model: str) -> RequestFailure:
    """What ``error``, raised while ``model`` ran, means for the client: no traceback, no control characters."""
    if isinstance(error, RequestError):
        return RequestFailure(
            _code_of(error, model), one_line(_text(error) or f"model {model!r} refused the request and gave no reason")
        )
    if isinstance(error, ResultError):
        return RequestFailure("INTERNAL", one_line(_text(error)))
    told = _described(error, model)
    return RequestFailure("INTERNAL", one_line(f"{told}; {READ_ONLY}" if writes_input(error) else told))


def writes_input(error: BaseException) -> bool:
    """Whether ``error`` is what numpy and its like say of a write into a read-only array, as inputs are."""
    if not isinstance(error, (ValueError, TypeError)):
        return False
    text = _text(error)
    return "read-only" in text or "readonly array" in text or "WRITEABLE flag" in text


def _code_of(error: RequestError, model: str) -> ErrorCode:
    code: object = getattr(error, "code", None)
    if code in CODES:
        return code
    try:  # a subclass may have set anything, or nothing
        check_code(code)
    except ValueError as problem:
        _LOG.error(
            "model %s: %s has no code of Triton's and is sent as INTERNAL: %s", model, type(error).__name__, problem
        )
    return "INTERNAL"


def one_line(text: str) -> str:
    """``text`` with unprintable characters escaped, cut to `MAX_TEXT` bytes of UTF-8."""
    shown = printable(text[: MAX_TEXT + 1])
    encoded = shown.encode()
    if len(encoded) <= MAX_TEXT:
        return shown
    return encoded[: MAX_TEXT - 3].decode(errors="ignore") + "…"


def _described(error: BaseException, model: str) -> str:
    kind, text = type(error).__name__, _text(error)
    if isinstance(error, MemoryError):
        return f"MemoryError: model {model!r} ran out of memory in its worker" + (f": {text}" if text else "")
    if isinstance(error, RecursionError):
        return f"RecursionError: model {model!r} called itself too deeply" + (f": {text}" if text else "")
    if has_no_terminal(error):
        return f"{kind}: {NO_TERMINAL}"
    return f"{kind}: {text}" if text else kind


def _text(error: BaseException) -> str:
    # An exception's own __str__ may raise, and must not take the worker with it.
    try:
        return str(error)
    except Exception:
        return ""
