"""The errors of the clients; each has its one line in ``message``."""

from __future__ import annotations

from pytriton.one_line_error import OneLineError


class PyTritonClientError(OneLineError):
    """The base of all errors of the clients."""


class PyTritonClientValueError(PyTritonClientError):
    """An argument that cannot be used; nothing was sent."""


class PyTritonClientInvalidUrlError(PyTritonClientValueError):
    """The URL cannot be used."""


PyTritonClientUrlParseError = PyTritonClientInvalidUrlError
"""The name in PyTriton's documentation."""


class PyTritonClientTimeoutError(PyTritonClientError):
    """The model was not ready, or did not answer, in time."""


class PyTritonClientInferenceServerError(PyTritonClientError):
    """The request failed: the callable raised, the server or the client refused the inputs, the connection was lost."""


class PyTritonClientModelUnavailableError(PyTritonClientInferenceServerError):
    """The server does not have the model that a request names. PyTriton raises its base class."""


class PyTritonClientUnreachableError(PyTritonClientInferenceServerError, PyTritonClientTimeoutError):
    """No server answers any more. PyTriton raises the first base class over gRPC, and the second over HTTP."""


class PyTritonClientClosedError(PyTritonClientError):
    """The client is closed, or was closed while the request ran."""


class PyTritonClientModelDoesntSupportBatchingError(PyTritonClientError):
    """``infer_batch`` was called for a model without a batch axis."""


class PyTritonClientQueueFullError(PyTritonClientError):
    """A `FuturesModelClient` with ``non_blocking`` has as many requests as it takes."""
