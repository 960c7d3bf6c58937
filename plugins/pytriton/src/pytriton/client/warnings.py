"""The warnings of PyTriton's clients. These clients give none of them: every timeout works."""

from __future__ import annotations


class PyTritonWarning(UserWarning):
    """The base of all warnings."""


class NotSupportedTimeoutWarning(PyTritonWarning):
    """A timeout that a protocol cannot keep; never given here."""
