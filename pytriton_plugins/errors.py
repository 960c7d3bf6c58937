"""Every error that this package raises on purpose; imported by the host, the workers and author modules alike."""

from __future__ import annotations

from typing import Literal, get_args

from pytriton_plugins.model.keywords import known_keywords
from pytriton_plugins.suggestions import closest
from pytriton_plugins.text import one_line

ErrorCode = Literal[
    "INTERNAL", "NOT_FOUND", "INVALID_ARG", "UNAVAILABLE", "UNSUPPORTED", "ALREADY_EXISTS", "CANCELLED", "UNKNOWN"
]
CODES: tuple[ErrorCode, ...] = get_args(ErrorCode)

_NAMED_OTHERWISE = {
    "UNIMPLEMENTED": "UNSUPPORTED",
    "400": "INVALID_ARG",
    "404": "NOT_FOUND",
    "500": "INTERNAL",
    "501": "UNSUPPORTED",
    "503": "UNAVAILABLE",
}
"""By gRPC and by HTTP."""


class PytritonPluginsError(Exception):
    """A mistake or a condition that the message explains in one line: what, where, what to do.

    Several that were found together are one error with a line for each in ``problems``.
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
    """A hook plugin is broken or answered with something that its hook does not allow."""


class ServerError(PytritonPluginsError):
    """No tritonserver was found, or it did not start or answer as it must."""


class ServerGone(ServerError):
    """A tritonserver does not take part any more: it has ended, or its end is about to be seen."""


class ControlError(PytritonPluginsError):
    """No running host was found, it did not answer, or it could not do what it was asked."""


class NoThreadsLeft(ServerError):
    """A call would have tritonserver start threads that it may not have, and that ends it."""


class LimitError(PytritonPluginsError):
    """A limit of the system is too low for what is to be served."""


class ShmError(PytritonPluginsError):
    """A segment cannot be had: over the model's limit or over the machine's memory headroom."""


class ProtocolError(PytritonPluginsError):
    """The other end of a link sent bytes that docs/reference/protocol.md does not allow."""


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


def check_code(code: object) -> ErrorCode:
    """``code`` as a plain text; raises ValueError, which names the code that was meant or all of them, for others."""
    if isinstance(code, str):  # an Enum among them, and no array, which is equal to nothing or to all
        plain = str.__str__(code)
        if plain in CODES:
            return plain
    other_name = _NAMED_OTHERWISE.get(str(code).upper())
    meant = [other_name] if other_name else closest(str(code), CODES)
    rather = f"{meant[0]}, or another of " if meant else ""
    raise ValueError(f"RequestError: unknown code {one_line(repr(code), 60)}; write {rather}{', '.join(CODES)}")
