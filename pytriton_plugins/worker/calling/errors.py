"""The error that the client of a failed request gets, and the exceptions that end a worker."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from pytriton_plugins.errors import ErrorCode, ModelCallError, RequestError, ResultError, check_code
from pytriton_plugins.text import in_bytes, printable
from pytriton_plugins.text import one_line as shorter
from pytriton_plugins.text.exceptions import code_of, is_a, name_of, text_of
from pytriton_plugins.worker.breakpoints import NO_TERMINAL, has_no_terminal
from pytriton_plugins.worker.log import report

MAX_TEXT = 4000
"""Bytes of UTF-8 in an error text; of one that is not ASCII the backend shows fewer, because gRPC carries fewer."""

ENDS = (SystemExit, KeyboardInterrupt)
"""The exceptions that end the worker, as Python has it; every other one fails the requests that it is raised for."""

READ_ONLY = "inputs are read-only: write x = x * 2 instead of x *= 2, or change a copy, x = x.copy()"
"""Added to numpy's message, which does not tell what to do."""


@dataclass(frozen=True)
class RequestFailure:
    """The error that answers a request: Triton's code, and one line of at most `MAX_TEXT` bytes of UTF-8."""

    code: ErrorCode
    message: str


class Cancelled(BaseException):
    """All requests of the batch are cancelled."""


def end_reason(error: BaseException, subject: str) -> str:
    """Why ``error`` ends the worker, with ``subject`` as the one that raised it."""
    if is_a(error, SystemExit):
        return f"{subject} called sys.exit({_shown_code(code_of(error))})"
    text = text_of(error)
    return f"{subject} raised {name_of(error)}" + (f": {shorter(text)}" if text else "")


def failure_of(error: BaseException, model: str) -> RequestFailure:
    """The client's error for ``error``, raised while ``model`` ran: no traceback, no control characters."""
    if is_a(error, RequestError):
        text = text_of(error) or f"model {model!r} refused the request and gave no reason"
        return RequestFailure(_code_of(error, model), one_line(text))
    if is_a(error, ModelCallError):
        return RequestFailure(_code_of(error, model), one_line(text_of(error)))
    if is_a(error, ResultError):
        return RequestFailure("INTERNAL", one_line(text_of(error)))
    text = _described(error, model)
    return RequestFailure("INTERNAL", one_line(f"{text}; {READ_ONLY}" if writes_input(error) else text))


def cancellation(error: BaseException, *, is_unwanted: bool) -> BaseException:
    """The meaning of asyncio's ``error``: the clients have cancelled, or the callable has cancelled its own await."""
    if is_unwanted:
        return Cancelled()
    failure = RuntimeError("CancelledError: an await of the callable was cancelled, not by its clients")
    failure.__cause__ = error
    return failure


def writes_input(error: BaseException) -> bool:
    """Whether ``error`` is how numpy and similar libraries refuse a write into a read-only array, as inputs are."""
    if not is_a(error, ValueError, TypeError):
        return False
    text = text_of(error)
    return "read-only" in text or "readonly array" in text or "WRITEABLE flag" in text


def one_line(text: str) -> str:
    """``text`` with unprintable characters escaped, cut to `MAX_TEXT` bytes of UTF-8."""
    return in_bytes(printable(text[: MAX_TEXT + 1]), MAX_TEXT)


def _shown_code(code: object) -> str:
    try:
        return "" if code is None else shorter(str.__str__(repr(code)), 100)
    except BaseException:
        return "…"


def _code_of(error: BaseException, model: str) -> ErrorCode:
    try:  # a subclass may have set anything, or nothing
        return check_code(getattr(error, "code", None))
    except BaseException as problem:
        reason, name = text_of(problem) or name_of(problem), name_of(error)
        report(logging.ERROR, "model %s: %s has no code of Triton's and is sent as INTERNAL: %s", model, name, reason)
    return "INTERNAL"


def _described(error: BaseException, model: str) -> str:
    kind, text = name_of(error), text_of(error)
    if is_a(error, MemoryError):
        return f"MemoryError: model {model!r} ran out of memory in its worker" + (f": {text}" if text else "")
    if is_a(error, RecursionError):
        return f"RecursionError: model {model!r} called itself too deeply" + (f": {text}" if text else "")
    if has_no_terminal(error):
        return f"{kind}: {NO_TERMINAL}"
    return f"{kind}: {text}" if text else kind
