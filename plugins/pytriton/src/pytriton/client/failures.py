"""From the errors of `pytriton_plugins.client` to those of PyTriton."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from pytriton.client import exceptions
from pytriton_plugins.client import (
    ClientClosed,
    ClientError,
    DeadlineExceeded,
    InvalidUrl,
    ModelNotFound,
    RequestCancelled,
    Unavailable,
)


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Raise PyTriton's error in place of ours, which is its cause."""
    try:
        yield
    except ClientError as error:
        raise translation(error) from error


@contextlib.contextmanager
def translated_wait() -> Iterator[None]:
    """The same for a wait: whatever keeps the model from being ready is a timeout."""
    try:
        yield
    except ClientClosed as error:
        raise translation(error) from error
    except ClientError as error:
        raise exceptions.PyTritonClientTimeoutError(str(error)) from error


def translation(error: ClientError) -> exceptions.PyTritonClientError:
    """PyTriton's error for ours, with the same line."""
    if isinstance(error, Unavailable) and ": no server answers " in str(error):
        return exceptions.PyTritonClientUnreachableError(str(error))
    if isinstance(error, RequestCancelled) and "the client was closed" in str(error):
        return exceptions.PyTritonClientClosedError(str(error))
    kinds = (kind for ours, kind in _KINDS.items() if isinstance(error, ours))
    return next(kinds, exceptions.PyTritonClientInferenceServerError)(str(error))


def unsupported(what: str, way: str) -> exceptions.PyTritonClientInferenceServerError:
    """The error of what these clients do not do, with our way."""
    return exceptions.PyTritonClientInferenceServerError(f"{what}: not supported; {way}")


_KINDS: dict[type[ClientError], type[exceptions.PyTritonClientError]] = {
    InvalidUrl: exceptions.PyTritonClientInvalidUrlError,
    DeadlineExceeded: exceptions.PyTritonClientTimeoutError,
    ClientClosed: exceptions.PyTritonClientClosedError,
    ModelNotFound: exceptions.PyTritonClientModelUnavailableError,
}
