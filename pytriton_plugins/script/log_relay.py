"""The daemon's log in the caller's `logging`; two threads of the caller's process read it."""

from __future__ import annotations

import contextlib
import json
import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import IO, Any

ROOT = "pytriton"
_OUTPUT = "pytriton.host"
"""The logger of the daemon's standard output: its table, and what hook plugins print."""

_PREFIX = "pytriton-host: "
_WARNING = "warning: "
_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
_FIELDS = ("plugin", "model", "worker", "source")
_NOT_READY = "not ready: "
_MAX_PROBLEMS = 20
_MAX_HELD = 1000
"""Records: the first ones are lost beyond that."""


class LogRelay:
    """Reads ``output`` and ``log`` until the daemon has ended.

    Each message becomes a record of the logger that has its name, with its level and time; the subject of a message is
    in the attributes ``plugin``, ``model``, ``worker`` and ``source``.
    """

    def __init__(self, output: IO[bytes], log: IO[bytes]) -> None:
        self._problems: deque[str] = deque(maxlen=_MAX_PROBLEMS)
        self._last_error = ""
        self._lock = threading.Lock()
        self._held: deque[logging.LogRecord] | None = deque(maxlen=_MAX_HELD)
        """While the daemon starts: what an exception may say instead."""
        self._is_given_up = False
        self._threads = [_reader(output, self._on_output), _reader(log, self._on_log)]

    @property
    def problems(self) -> tuple[str, ...]:
        """Why the daemon has ended, by its last words; empty where it has said nothing."""
        return tuple(self._problems) or ((self._last_error,) if self._last_error else ())

    def started(self) -> None:
        """No exception says any more what was held: pass it on, and everything that follows at once."""
        self._pass_on(())

    def failed(self, told: Sequence[str]) -> None:
        """The same for a start that failed with an exception of the lines ``told``, without what stands in them."""
        self._pass_on(told)

    def give_up(self) -> None:
        """This program ends the daemon in no order: only what is held may be passed on."""
        self._is_given_up = True

    def _pass_on(self, told: Sequence[str]) -> None:
        with self._lock:
            held, self._held = self._held or (), None
        for record in held:
            if record.exc_text or not any(_first_line(record).removeprefix(_NOT_READY) in line for line in told):
                _emit(record)

    def _tell(self, record: logging.LogRecord) -> None:
        with self._lock:
            if self._held is not None and (record.levelno >= logging.ERROR or record.msg.startswith(_NOT_READY)):
                self._held.append(record)
                return
        if not self._is_given_up:
            _emit(record)

    def join(self, timeout: float) -> None:
        """Wait until everything that the ended daemon has written is relayed."""
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(timeout)

    def _on_output(self, line: str) -> None:
        if line:
            self._tell(_record(_OUTPUT, logging.INFO, line))

    def _on_log(self, line: str) -> None:
        event = _event(line)
        if event is not None:
            record = record_of(event)
            if record.levelno >= logging.ERROR:
                self._last_error = _first_line(record)
            self._tell(record)
        elif line:
            self._on_plain(line.removeprefix(_PREFIX))

    def _on_plain(self, line: str) -> None:
        """A line of the command itself: a warning before the daemon began, or why it ended."""
        is_warning = line.startswith(_WARNING)
        if not is_warning:
            self._problems.append(line)
        level = logging.WARNING if is_warning else logging.ERROR
        self._tell(_record(_OUTPUT, level, line.removeprefix(_WARNING)))


def record_of(event: dict[str, Any]) -> logging.LogRecord:
    """The record of one object of the daemon's JSON log."""
    name = str(event["logger"])
    name = name if name.split(".")[0] == ROOT else f"{ROOT}.{name}"
    record = _record(name, _LEVELS.get(event["level"], logging.ERROR), str(event["message"]))
    with contextlib.suppress(KeyError, ValueError):
        record.created = datetime.fromisoformat(str(event["time"]).replace("Z", "+00:00")).timestamp()
        record.msecs = record.created % 1 * 1000
    for field in _FIELDS:
        if field in event:
            setattr(record, field, event[field])
    if "traceback" in event:
        record.exc_text = str(event["traceback"])
    return record


def _first_line(record: logging.LogRecord) -> str:
    return record.getMessage().partition("\n")[0]


def _event(line: str) -> dict[str, Any] | None:
    """The object of a line; None for a line of another form."""
    with contextlib.suppress(ValueError, RecursionError):
        event = json.loads(line)
        if isinstance(event, dict) and {"logger", "level", "message"} <= event.keys():
            return event
    return None


def _record(name: str, level: int, message: str) -> logging.LogRecord:
    return logging.LogRecord(name, level, "", 0, message, None, None)


def _emit(record: logging.LogRecord) -> None:
    logger = logging.getLogger(record.name)
    # A handler of the caller may raise: the daemon's log is read on all the same.
    with contextlib.suppress(Exception):
        if logger.isEnabledFor(record.levelno):
            logger.handle(record)


def _reader(stream: IO[bytes], on_line: Callable[[str], None]) -> threading.Thread:
    def read() -> None:
        with stream:
            for line in stream:
                on_line(line.decode(errors="replace").rstrip("\n"))

    thread = threading.Thread(target=read, name="pytriton-log-relay", daemon=True)
    thread.start()
    return thread
