"""The daemon's log: the form of a line, as text or as JSON, and the descriptors that it is written to."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import sys
import time
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

from pytriton_plugins.host.log.rate_limit import MessageRate
from pytriton_plugins.host.log.writer import GapFormatter, LineStream, LogWriter
from pytriton_plugins.text import printable
from pytriton_plugins.text.exceptions import traced

TRITON = "pytriton.tritonserver.output"
"""The logger of tritonserver's own output; its infos are shown with the level debug only."""

CONTINUATION = "    "
"""The beginning of each further line of a message in the text log, and of no first line."""

_FIELDS = ("plugin", "model", "worker", "source")
"""The fields that `about` adds to a record."""

_NAMED = re.compile(r"(model|plugin) %s\b")


def about(**fields: Any) -> dict[str, Any]:
    """The ``extra`` of a message: the ``plugin``, ``model``, ``worker`` (process id) or ``source`` that it is about.

    ``printed``: the lines of one message that a child printed; they are the message.
    """
    return {name: value for name, value in fields.items() if value is not None}


class TextLines(logging.Formatter):
    """Time, level, logger and message; further lines of a message, such as a traceback, begin with blanks.

    Messages of plugins, models and servers may contain line ends and control characters. A line that begins with a time
    is always ours.
    """

    def format(self, record: logging.LogRecord) -> str:
        head = f"{self.formatTime(record)} {record.levelname:<7} {record.name}: {_subject(record)}"
        first, *more = [*_message(record), *_traceback(record)]
        return "\n".join([printable(head + first), *(CONTINUATION + printable(line) for line in more)])


class JsonLines(logging.Formatter):
    """One object for a message: time, level, logger, message, its subject, and a traceback."""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds")
        event = {
            "time": moment.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": "\n".join(_message(record)),
        }
        event.update(_fields(record))
        if traceback := _traceback(record):
            event["traceback"] = "\n".join(traceback)
        return json.dumps(event)


FORMATTERS: dict[str, type[logging.Formatter]] = {"text": TextLines, "json": JsonLines}


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    """The subject of the message; messages of the daemon begin with ``model %s`` or ``plugin %s``."""
    fields = {name: getattr(record, name) for name in _FIELDS if hasattr(record, name)}
    named = _NAMED.match(str(record.msg))
    if named and isinstance(record.args, tuple) and record.args:
        fields.setdefault(named[1], str(record.args[0]))
    return fields


def _message(record: logging.LogRecord) -> list[str]:
    printed: list[str] | None = getattr(record, "printed", None)
    return [record.getMessage()] if printed is None else printed


def _subject(record: logging.LogRecord) -> str:
    """The child that has printed the lines, if one has."""
    if not hasattr(record, "printed"):
        return ""
    name = getattr(record, "model", None) or getattr(record, "plugin", "")
    worker, source = getattr(record, "worker", None), getattr(record, "source", None)
    source = None if source == record.name else source
    return (f"{name}[{worker}]: " if worker else "") + (f"{source}: " if source else "")


def _traceback(record: logging.LogRecord) -> list[str]:
    if not record.exc_info or record.exc_info[1] is None:
        return []
    return traced(record.exc_info[1]).splitlines()


class _Handler(logging.Handler):
    """Hands each message to the writer."""

    writer: LogWriter | None = None

    def __init__(self) -> None:
        super().__init__()
        self._rate = MessageRate()

    def emit(self, record: logging.LogRecord) -> None:
        if self.writer is None:
            return
        # The output of children is limited where it is read.
        left_out = 0 if hasattr(record, "printed") else self._rate.take(record, time.monotonic())
        if left_out is None:
            return
        if left_out:
            self.writer.put(self._warning(f"… {left_out} messages like the next one left out", record.name))
        self.writer.put(self.line(record))

    def line(self, record: logging.LogRecord) -> bytes:
        try:
            text = self.format(record)
        except Exception as error:  # a plugin's message may not fit its arguments
            text = printable(f"{record.name}: {record.msg!r} cannot be logged: {error!r}")
        return text.encode(errors="backslashreplace") + b"\n"

    def left_out(self, count: int) -> bytes:
        return self._warning(f"… {count} lines left out: its reader is slower than the log", "pytriton.host")

    def _warning(self, message: str, name: str) -> bytes:
        return self.line(logging.LogRecord(name, logging.WARNING, "", 0, message, None, None))


class Log:
    """Standard error and output of the daemon after `set_up_logging`; a closed one drops everything."""

    def __init__(self, handler: _Handler) -> None:
        # Python has looked at the descriptors at its start: by now they may be other files.
        error = _writer(2, handler) if sys.__stderr__ is not None else None
        output = _writer(1, handler) if sys.__stdout__ is not None and not _is_one_file() else None
        self._handler = handler
        self._writers = [writer for writer in (error, output) if writer is not None]
        self._output = output or (error if sys.__stdout__ is not None else None)
        self._terminal = next((writer for writer in self._writers if writer.can_erase), None)
        handler.writer = error

    @property
    def columns(self) -> int | None:
        """The width of the terminal of standard output; None for anything else."""
        return self._output.columns if self._output and self._output.is_terminal else None

    @property
    def shows_progress(self) -> bool:
        """Whether there is a terminal for `keep_below`."""
        return self._terminal is not None

    def keep_below(self, line: str) -> None:
        """On a terminal, keep ``line`` below all messages, in place of the one before; "" for none."""
        if self._terminal is not None:
            self._terminal.keep_below(line)

    def print(self, make: Callable[[], str]) -> None:
        """Print what ``make`` returns, soon; another thread calls it."""
        if self._output is not None:
            self._output.put_made(lambda: _text_of(make))

    def stand_in(self) -> contextlib.redirect_stdout[LineStream]:
        """Take over standard output of this process."""
        return contextlib.redirect_stdout(LineStream(self._output))

    def close(self, timeout: float) -> None:
        """Wait until everything is written, at most ``timeout`` seconds for each descriptor."""
        for writer in self._writers:
            writer.close(timeout)


def _writer(descriptor: int, gaps: GapFormatter) -> LogWriter | None:
    try:
        return LogWriter(descriptor, gaps)
    except (OSError, RuntimeError):  # it is closed, or no thread can be started
        return None


def _is_one_file() -> bool:
    """Whether standard output and the log are one file: then one writer keeps them in order."""
    try:
        return sys.__stderr__ is not None and os.path.sameopenfile(1, 2)
    except OSError:
        return False


def _text_of(make: Callable[[], str]) -> bytes:
    try:
        return make().encode(errors="backslashreplace")
    except Exception:
        logging.getLogger("pytriton.host").exception("internal error: the table of models cannot be shown")
        return b""


def set_up_logging(level: str, form: str = "text") -> Log:
    """Log to standard error, for every logger of this process; ``form`` is text or json."""
    handler = _Handler()
    handler.setFormatter(FORMATTERS[form]())
    logger = logging.getLogger("pytriton")
    logger.handlers[:] = [handler]
    logger.setLevel(level.upper())
    logger.propagate = False
    logging.getLogger(TRITON).setLevel(logging.WARNING if level == "info" else logging.NOTSET)
    # For asyncio and hook plugins: their messages would go straight to standard error and wait for its reader.
    root = logging.getLogger()
    root.handlers[:] = [*(each for each in root.handlers if not isinstance(each, _Handler)), handler]
    return Log(handler)
