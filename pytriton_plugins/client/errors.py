"""The errors of the client: one class for each of the codes that a caller handles differently."""

from __future__ import annotations

from pytriton_plugins.errors import PytritonPluginsError


class ClientError(PytritonPluginsError):
    """A request failed, or could not be sent; the base class of all errors of the client.

    ``code`` is the code of `RequestError`, as the model or the server gave it, or one of ``DEADLINE_EXCEEDED``,
    ``CLOSED`` and ``WRONG_SERVER``; ``model`` is the model of the request, or empty.
    """

    default_code = "UNKNOWN"

    def __init__(self, message: str, code: str = "", model: str = "") -> None:
        super().__init__(message)
        self.code = code or self.default_code
        self.model = model


class InvalidInput(ClientError):
    """The request does not fit the model: a name, a dtype, a shape or a value; also the model's own INVALID_ARG."""

    default_code = "INVALID_ARG"


class NotFound(ClientError):
    """The model answered NOT_FOUND."""

    default_code = "NOT_FOUND"


class ModelNotFound(NotFound):
    """The server has no model of that name and version."""


class Unavailable(ClientError):
    """No server answers, the connection was lost, or the server or the model takes no requests now."""

    default_code = "UNAVAILABLE"


class DeadlineExceeded(ClientError, TimeoutError):
    """No response, or no readiness, within the timeout."""

    default_code = "DEADLINE_EXCEEDED"


class RequestCancelled(ClientError):
    """The request was cancelled: by the model, by the server, or by `close` while it was running."""

    default_code = "CANCELLED"


class Unsupported(ClientError):
    """The server, the protocol or the model cannot do that, such as a stream of one response only."""

    default_code = "UNSUPPORTED"


class ModelFailed(ClientError):
    """The model raised an exception, or its worker ended."""

    default_code = "INTERNAL"


class WrongServer(ClientError):
    """Something answers at the address, but not a Triton with the protocol of the URL."""

    default_code = "WRONG_SERVER"


class InvalidUrl(ClientError, ValueError):
    """The URL cannot be used."""

    default_code = "INVALID_ARG"


class ClientClosed(ClientError):
    """The client was closed, or belongs to another process or event loop."""

    default_code = "CLOSED"


def shortened(error: ClientError) -> ClientError:
    """``error`` without the frames of the client: a traceback ends at the method that the caller called."""
    return error.with_traceback(None)


_BY_CODE: dict[str, type[ClientError]] = {
    each.default_code: each
    for each in (InvalidInput, NotFound, Unavailable, DeadlineExceeded, RequestCancelled, Unsupported, ModelFailed)
}
_BY_CODE["UNKNOWN"] = ModelFailed

_UNKNOWN_MODEL, _NOT_LOADED = "unknown model", "has no available versions"
"""In Triton's messages about a model that it does not have, or has unloaded; a callable's NOT_FOUND differs."""


def error_of(code: str, message: str, model: str = "") -> ClientError:
    """The error of a server's answer with ``code``; a ClientError for codes without a class of their own."""
    kind = _BY_CODE.get(code, ClientError)
    if kind is NotFound and _UNKNOWN_MODEL in message:
        if message.endswith(_NOT_LOADED):
            return Unavailable(f"{message}; load it, or wait for it: client[…].wait()", "", model)
        kind, message = ModelNotFound, f"{message}; check the name and the version"
    return kind(message, code, model)
