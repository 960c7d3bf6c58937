"""Every error that this package raises on purpose."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any, Literal, TypeVar, cast, get_args

from pytriton_plugins.text import one_line
from pytriton_plugins.text.suggestions import closest

__all__ = [
    "CODES",
    "AttachError",
    "ConfigError",
    "ControlError",
    "DeclarationError",
    "DiscoveryError",
    "ErrorCode",
    "HookError",
    "HostError",
    "LimitError",
    "ModelCallError",
    "ProtocolError",
    "PytritonPluginsError",
    "RequestError",
    "ResultError",
    "ServerError",
    "ShmError",
]

F = TypeVar("F", bound=Callable[..., Any])

ErrorCode = Literal[
    "INTERNAL", "NOT_FOUND", "INVALID_ARG", "UNAVAILABLE", "UNSUPPORTED", "ALREADY_EXISTS", "CANCELLED", "UNKNOWN"
]
CODES: tuple[ErrorCode, ...] = get_args(ErrorCode)

_CODES_BY_OTHER_NAMES = {
    "UNIMPLEMENTED": "UNSUPPORTED",
    "400": "INVALID_ARG",
    "404": "NOT_FOUND",
    "500": "INTERNAL",
    "501": "UNSUPPORTED",
    "503": "UNAVAILABLE",
}
"""The names of gRPC and HTTP."""


class PytritonPluginsError(Exception):
    """A mistake or a condition that the message explains in one line: what, where, what to do.

    Several problems that were found together are one error with a line for each in ``problems``.
    """

    def __init__(self, *problems: object) -> None:
        self.problems = tuple(map(str, problems))
        super().__init__("; also: ".join(self.problems))


class DeclarationError(PytritonPluginsError):
    """A callable is marked in a way that cannot be served; raised where the mistake is written."""


class ResultError(PytritonPluginsError):
    """A callable returned what its declaration does not allow; the client gets this text."""


class DiscoveryError(PytritonPluginsError):
    """A target or an entry point does not lead to a marked callable."""


class ConfigError(PytritonPluginsError):
    """An option, a variable or a key of the configuration file cannot be used."""


class HookError(PytritonPluginsError):
    """A hook plugin is broken or returned a value that its hook does not allow."""


class ServerError(PytritonPluginsError):
    """No tritonserver was found, or it did not start or answer as it must."""


class ServerGone(ServerError):
    """A tritonserver has ended, or its end is about to be seen."""


class ControlError(PytritonPluginsError):
    """No running daemon was found, it did not answer, or it could not do what it was asked."""


class HostError(PytritonPluginsError):
    """A daemon that `Host` started did not become ready, has ended, or belongs to another process."""


class AttachError(HostError):
    """A daemon does not serve a callable of this process, or it does no longer."""


class NoThreadsLeft(ServerError):
    """A call would make tritonserver start more threads than it may have, which would end it."""


class LimitError(PytritonPluginsError):
    """A limit of the system is too low for the models to be served."""


class ShmError(PytritonPluginsError):
    """A segment is not available: it exceeds the model's limit or the machine's memory headroom."""


class ProtocolError(PytritonPluginsError):
    """The other end of a link sent bytes that docs/reference/protocol.md does not allow."""


def known_keywords(name: str, error: Callable[[str], Exception]) -> Callable[[F], F]:
    """Make a call with an unknown keyword raise ``error`` with one line that begins with ``name``.

    Type checkers and `inspect` see the callable as it is written.
    """

    def mark(function: F) -> F:
        code = cast(Any, function).__code__
        names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        known = {each: None for each in names[code.co_posonlyargcount :] if each != "self"}

        @functools.wraps(function)
        def called(*arguments: Any, **keywords: Any) -> Any:
            for keyword in keywords:
                if keyword not in known:
                    raise error(f"{name}: unknown argument {one_line(keyword)!r}; {_keyword_hint(keyword, known)}")
            return function(*arguments, **keywords)

        return cast(F, called)

    return mark


def _keyword_hint(keyword: str, known: Iterable[str]) -> str:
    meant = closest(keyword, known)
    return f"write {meant[0]}=" if meant else f"its arguments are {', '.join(known)}"


class RequestError(PytritonPluginsError):
    """Raised by a callable to answer one request with ``message`` and Triton's error ``code``.

    ``INVALID_ARG`` reaches an HTTP client as status 400; the message is shown as it stands. Raises ValueError for a
    code that Triton does not have.
    """

    @known_keywords("RequestError", TypeError)
    def __init__(self, message: str, code: ErrorCode = "INVALID_ARG") -> None:
        super().__init__(message)
        check_code(code)
        self.message = message
        self.code = code


class ModelCallError(PytritonPluginsError):
    """A call of another model by ``ctx.models`` failed.

    ``model`` is the called model, ``code`` Triton's, ``message`` that of the called model or of the server. A callable
    that does not catch it answers its requests with the code and the text. A timeout has the code ``UNAVAILABLE``.
    """

    def __init__(self, model: str, code: ErrorCode, message: str) -> None:
        super().__init__(f"call of model {one_line(model)!r}: {message}")
        self.model = model
        self.code = code
        self.message = message

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.model, self.code, self.message), vars(self)


def check_code(code: object) -> ErrorCode:
    """``code`` as a plain text; raises ValueError for an unknown one, with the code that was meant or all of them."""
    if isinstance(code, str):  # an Enum member too; an array would not compare to one truth value
        plain = str.__str__(code)
        if plain in CODES:
            return plain
    other_name = _CODES_BY_OTHER_NAMES.get(str(code).upper())
    meant = [other_name] if other_name else closest(str(code), CODES)
    first = f"{meant[0]}, or another of " if meant else ""
    raise ValueError(f"RequestError: unknown code {one_line(repr(code), 60)}; write {first}{', '.join(CODES)}")
