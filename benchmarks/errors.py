"""Errors of the benchmarks; a message is one line: what, where, what to do."""

from __future__ import annotations


class BenchmarkError(Exception):
    """A measurement or a server failed; the message says which."""


class NotInstalled(BenchmarkError):
    """A server or tool is missing; the message says what installs it."""
