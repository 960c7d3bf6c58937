"""A worker's `logging`: records as marked lines, which the daemon tells from other output (host/workers/output.py).

A model may configure `logging` in its process as it likes. Its records on the console keep their level, and the
messages of this package reach the daemon's log with any configuration.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from typing import Any

from pytriton_plugins.text import CONTINUATION, RECORD_START
from pytriton_plugins.text.exceptions import info_of, name_of, traced

PACKAGE_LOGGERS = ("pytriton", "pytriton.worker", "pytriton.hooks")
_LEVELS = {name: getattr(logging, name) for name in ("CRITICAL", "ERROR", "WARNING", "INFO", "DEBUG")}
"""The daemon's levels; a model may add levels, or rename these."""

_basic_config = logging.basicConfig
_emit = logging.StreamHandler.emit


def marked(record: logging.LogRecord, text: str, min_level: int = logging.DEBUG) -> str:
    """``text`` with the level of ``record``, ``min_level`` or more, and its logger.

    It begins on a new line, and each of its lines is marked, so that they stay one message.
    """
    number = max(record.levelno, min_level)
    level = next((name for name, limit in _LEVELS.items() if number >= limit), "DEBUG")
    for mark in (RECORD_START, CONTINUATION):
        text = text.replace(mark, "?")
    text = text.replace("\n", "\n" + CONTINUATION)
    return f"\n{RECORD_START}{level} {record.name}: {text}"


class MarkedFormatter(logging.Formatter):
    """Level, logger, message and traceback in marked lines."""

    def format(self, record: logging.LogRecord) -> str:
        return marked(record, super().format(record))

    def formatException(self, ei: Any) -> str:
        return traced(ei[1]) if ei[1] is not None else super().formatException(ei)


class PackageLogger(logging.Logger):
    """A logger of this package: its messages reach the daemon's log even if a model reconfigures `logging`."""

    console: logging.Handler
    min_level = logging.INFO

    def isEnabledFor(self, level: int) -> bool:
        return level >= self.min_level

    def handle(self, record: logging.LogRecord) -> None:
        self.console.handle(record)
        if super().isEnabledFor(record.levelno):
            with contextlib.suppress(BaseException):  # a handler of the model must not fail a request
                self._call_model_handlers(record)

    def _call_model_handlers(self, record: logging.LogRecord) -> None:
        """Hand the record to the handlers that the model has added beside the console: a file, an error collector."""
        others = logging.Logger(self.name)
        handlers = [each for each in logging.getLogger().handlers if not _is_on_console(each)]
        others.handlers = handlers or [logging.NullHandler()]
        others.callHandlers(record)


def report(level: int, message: str, *details: object, error: BaseException | None = None) -> None:
    """Log ``message``, and ``error`` with its traceback, even if the model's own code raises meanwhile."""
    log = logging.getLogger("pytriton.worker")
    try:
        log.log(level, message, *details, exc_info=None if error is None else info_of(error), stacklevel=2)
    except BaseException as failure:
        text = f"{message % details} ({name_of(failure)} while this was logged)"
        _write(log.name, level, text if error is None else f"{text}\n{traced(error)}")


def show(error: BaseException) -> None:
    """Print the traceback of the exception that ends the worker."""
    try:
        sys.stderr.write(traced(error) + "\n")
    except BaseException:
        _write("pytriton.worker", logging.ERROR, traced(error))


def _write(logger: str, level: int, text: str) -> None:
    """Write to the console's descriptor without `logging`."""
    line = marked(logging.LogRecord(logger, level, "", 0, "", (), None), text) + "\n"
    with contextlib.suppress(Exception):  # there is no other place to report it
        console = getattr(PackageLogger, "console", None)
        os.write(console.stream.fileno() if console else 2, line.encode(errors="backslashreplace"))


def set_up_logging(level: str = "INFO") -> None:
    """Send messages from ``level`` on to standard error, which the daemon reads."""
    min_level = _LEVELS[level]
    # A descriptor of its own: a model may close descriptor 2, or redirect it to silence a library.
    stream = os.fdopen(os.dup(2), "w", encoding="utf-8", errors="backslashreplace")
    console = logging.StreamHandler(stream)
    console.setFormatter(MarkedFormatter())
    PackageLogger.console, PackageLogger.min_level = console, min_level
    for name in PACKAGE_LOGGERS:
        logging.getLogger(name).__class__ = PackageLogger
    package = logging.getLogger(PACKAGE_LOGGERS[0])
    package.addHandler(console)  # for the loggers of hook plugins, below it
    package.propagate = False
    default = logging.StreamHandler(sys.stderr)
    default.setFormatter(MarkedFormatter())
    root = logging.getLogger()
    root.addHandler(default)
    root.setLevel(min_level)
    _let_models_configure(default, min_level)


def _let_models_configure(default: logging.Handler, min_level: int) -> None:
    """Have `basicConfig` work as in an unconfigured process, and console handlers keep the levels of records."""

    def basic_config(**settings: Any) -> None:
        root = logging.getLogger()
        if root.handlers == [default]:
            root.removeHandler(default)
        try:
            _basic_config(**settings)
        finally:
            if not root.handlers:
                root.addHandler(default)

    def emit(self: logging.StreamHandler[Any], record: logging.LogRecord) -> None:
        if self is default or not _is_on_console(self):
            return _emit(self, record)
        try:
            # A model that configures a console wants to see all that it sends there, debug lines too.
            self.stream.write(marked(record, self.format(record), min_level) + "\n")
            self.flush()
        except RecursionError:
            raise
        except Exception:
            self.handleError(record)

    logging.basicConfig = basic_config
    logging.StreamHandler.emit = emit  # type: ignore[method-assign,assignment]


def _is_on_console(handler: logging.Handler) -> bool:
    streams = (sys.stderr, sys.stdout, sys.__stderr__, sys.__stdout__)
    return isinstance(handler, logging.StreamHandler) and any(handler.stream is each for each in streams)
