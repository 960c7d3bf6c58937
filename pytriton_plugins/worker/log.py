"""A worker's `logging`, in lines that the daemon tells from what else is printed (host/workers/output.py).

A model may configure `logging` as it likes, in a process that is its own: what it sends to the console keeps its level,
and what this package says of the model's calls is beyond that configuration.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from typing import Any

from pytriton_plugins.text import CONTINUATION, RECORD_START
from pytriton_plugins.text.exceptions import info_of, name_of, traced

OWN = ("pytriton", "pytriton.worker", "pytriton.hooks")
_LEVELS = {name: getattr(logging, name) for name in ("CRITICAL", "ERROR", "WARNING", "INFO", "DEBUG")}
"""As the daemon has them; a model may have others, or other names for these."""

_basic_config = logging.basicConfig
_emit = logging.StreamHandler.emit


def marked(record: logging.LogRecord, text: str, least: int = logging.DEBUG) -> str:
    """``text`` with the level of ``record``, ``least`` or more, and its logger.

    It begins a line of its own, whatever was printed before, and each line is marked, so that all stay one message.
    """
    number = max(record.levelno, least)
    level = next((name for name, least_of in _LEVELS.items() if number >= least_of), "DEBUG")
    for mark in (RECORD_START, CONTINUATION):
        text = text.replace(mark, "?")
    text = text.replace("\n", "\n" + CONTINUATION)
    return f"\n{RECORD_START}{level} {record.name}: {text}"


class MarkedLines(logging.Formatter):
    """Level, logger and message, and a traceback."""

    def format(self, record: logging.LogRecord) -> str:
        return marked(record, super().format(record))

    def formatException(self, ei: Any) -> str:
        return traced(ei[1]) if ei[1] is not None else super().formatException(ei)


class OwnLogger(logging.Logger):
    """One of this package: nothing that a model does to `logging` keeps its messages from the daemon's log."""

    console: logging.Handler
    least = logging.INFO

    def isEnabledFor(self, level: int) -> bool:
        return level >= self.least

    def handle(self, record: logging.LogRecord) -> None:
        self.console.handle(record)
        if super().isEnabledFor(record.levelno):
            with contextlib.suppress(BaseException):  # theirs is no reason for a request to fail
                self._hand_to_others(record)

    def _hand_to_others(self, record: logging.LogRecord) -> None:
        """To what the model has set up beside the console: a file, a collector of errors."""
        others = logging.Logger(self.name)
        handlers = [each for each in logging.getLogger().handlers if not _is_on_console(each)]
        others.handlers = handlers or [logging.NullHandler()]
        others.callHandlers(record)


def report(level: int, message: str, *details: object, error: BaseException | None = None) -> None:
    """Log ``message``, and ``error`` with its traceback, whatever the model's own code raises while that is done."""
    log = logging.getLogger("pytriton.worker")
    try:
        log.log(level, message, *details, exc_info=None if error is None else info_of(error), stacklevel=2)
    except BaseException as failed:
        text = f"{message % details} ({name_of(failed)} while this was logged)"
        _write(log.name, level, text if error is None else f"{text}\n{traced(error)}")


def show(error: BaseException) -> None:
    """Print the traceback of what ends the worker."""
    try:
        sys.stderr.write(traced(error) + "\n")
    except BaseException:
        _write("pytriton.worker", logging.ERROR, traced(error))


def _write(logger: str, level: int, text: str) -> None:
    """Past `logging`, to the descriptor that its console has."""
    line = marked(logging.LogRecord(logger, level, "", 0, "", (), None), text) + "\n"
    with contextlib.suppress(Exception):  # nobody is left to be told
        console = getattr(OwnLogger, "console", None)
        os.write(console.stream.fileno() if console else 2, line.encode(errors="backslashreplace"))


def set_up_logging(level: str = "INFO") -> None:
    """Messages from ``level`` on go to standard error, which the daemon reads."""
    least = _LEVELS[level]
    # One of its own: a model may close the descriptor, or lead it elsewhere to be rid of what a library prints.
    stream = os.fdopen(os.dup(2), "w", encoding="utf-8", errors="backslashreplace")
    console = logging.StreamHandler(stream)
    console.setFormatter(MarkedLines())
    OwnLogger.console, OwnLogger.least = console, least
    for name in OWN:
        logging.getLogger(name).__class__ = OwnLogger
    own = logging.getLogger(OWN[0])
    own.addHandler(console)  # for the loggers of hook plugins, below it
    own.propagate = False
    theirs = logging.StreamHandler(sys.stderr)
    theirs.setFormatter(MarkedLines())
    root = logging.getLogger()
    root.addHandler(theirs)
    root.setLevel(least)
    _let_models_configure(theirs, least)


def _let_models_configure(default: logging.Handler, least: int) -> None:
    """Have `basicConfig` work as in a process where nobody has configured anything, and the console keep levels."""

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
            # A model that configures a console wants to see what it sends there, debug lines too.
            self.stream.write(marked(record, self.format(record), least) + "\n")
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
