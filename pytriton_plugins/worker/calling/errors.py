"""What the client of a failed request is told; runs in the worker."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from pytriton_plugins.errors import ErrorCode, RequestError, ResultError, check_code
from pytriton_plugins.text import in_bytes, printable
from pytriton_plugins.text import one_line as shorter
from pytriton_plugins.text.exceptions import code_of, is_a, name_of, text_of
from pytriton_plugins.worker.breakpoints import NO_TERMINAL, has_no_terminal
from pytriton_plugins.worker.log import report

MAX_TEXT = 4000
"""Most bytes of UTF-8 in an error text; of one that is not ASCII the backend shows less, for gRPC carries less."""

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
    if is_a(error, SystemExit):
        return f"{who} called sys.exit({_shown_code(code_of(error))})"
    text = text_of(error)
    return f"{who} raised {name_of(error)}" + (f": {shorter(text)}" if text else "")


def failure_of(error: BaseException, model: str) -> RequestFailure:
    """What ``error``, raised while ``model`` ran, means for the client: no traceback, no control characters."""
    if is_a(error, RequestError):
        text = text_of(error) or f"model {model!r} refused the request and gave no reason"
        return RequestFailure(_code_of(error, model), one_line(text))
    if is_a(error, ResultError):
        return RequestFailure("INTERNAL", one_line(text_of(error)))
    told = _described(error, model)
    return RequestFailure("INTERNAL", one_line(f"{told}; {READ_ONLY}" if writes_input(error) else told))


def writes_input(error: BaseException) -> bool:
    """Whether ``error`` is what numpy and its like say of a write into a read-only array, as inputs are."""
    if not is_a(error, ValueError, TypeError):
        return False
    text = text_of(error)
    return "read-only" in text or "readonly array" in text or "WRITEABLE flag" in text


def _shown_code(code: object) -> str:
    try:
        return "" if code is None else shorter(str.__str__(repr(code)), 100)
    except BaseException:
        return "…"


def _code_of(error: BaseException, model: str) -> ErrorCode:
    try:  # a subclass may have set anything, or nothing
        return check_code(getattr(error, "code", None))
    except BaseException as problem:
        said, name = text_of(problem) or name_of(problem), name_of(error)
        report(logging.ERROR, "model %s: %s has no code of Triton's and is sent as INTERNAL: %s", model, name, said)
    return "INTERNAL"


def one_line(text: str) -> str:
    """``text`` with unprintable characters escaped, cut to `MAX_TEXT` bytes of UTF-8."""
    return in_bytes(printable(text[: MAX_TEXT + 1]), MAX_TEXT)


def _described(error: BaseException, model: str) -> str:
    kind, text = name_of(error), text_of(error)
    if is_a(error, MemoryError):
        return f"MemoryError: model {model!r} ran out of memory in its worker" + (f": {text}" if text else "")
    if is_a(error, RecursionError):
        return f"RecursionError: model {model!r} called itself too deeply" + (f": {text}" if text else "")
    if has_no_terminal(error):
        return f"{kind}: {NO_TERMINAL}"
    return f"{kind}: {text}" if text else kind
