"""The errors of binding and serving; each has its one line in ``message``."""

from __future__ import annotations

from pytriton.one_line_error import OneLineError


class PyTritonError(OneLineError):
    """The base of all errors of this package."""


class PyTritonValidationError(PyTritonError):
    """A value that cannot be used: a name, a tensor, a result."""


class PyTritonInvalidOperationError(PyTritonError):
    """A call that the state of the server does not allow."""


class PyTritonRuntimeError(PyTritonError):
    """Something that only shows while requests are served."""


class PyTritonModelConfigError(PyTritonError):
    """A model configuration that contradicts itself."""


class PyTritonBadParameterError(PyTritonError):
    """An argument that a decorator cannot use."""


class PyTritonUnrecoverableError(PyTritonError):
    """Raised by a callable that cannot go on: the server stops, and ``serve`` raises."""
