"""The daemon's log becomes records of `logging`."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator

import pytest

from pytriton_plugins.script.log_relay import LogRelay, record_of


@pytest.fixture
def relayed(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    with caplog.at_level(logging.DEBUG, "pytriton"):
        yield caplog


def relay(output: bytes = b"", log: bytes = b"") -> LogRelay:
    """What a daemon that wrote this and ended leaves."""
    made = starting(output, log)
    made.started()
    return made


def starting(output: bytes = b"", log: bytes = b"") -> LogRelay:
    """The same for a daemon whose start is not decided."""
    ends = []
    for data in (output, log):
        reader, writer = os.pipe()
        os.write(writer, data)
        os.close(writer)
        ends.append(os.fdopen(reader, "rb"))
    made = LogRelay(*ends)
    made.join(60)
    return made


def test_an_object_becomes_a_record() -> None:
    event = {
        "time": "2026-01-02T03:04:05.678Z",
        "level": "error",
        "logger": "pytriton.worker",
        "message": "100 % of it failed",
        "model": "add",
        "worker": 7,
        "traceback": "Traceback …\nValueError: x",
    }
    record = record_of(event)
    assert (record.name, record.levelno, record.getMessage()) == (
        "pytriton.worker",
        logging.ERROR,
        "100 % of it failed",
    )
    assert (record.created, round(record.msecs)) == (1767323045.678, 678)
    assert (vars(record)["model"], vars(record)["worker"]) == ("add", 7)
    assert logging.Formatter().format(record) == "100 % of it failed\nTraceback …\nValueError: x"


def test_other_loggers_of_the_daemon_are_below_ours() -> None:
    assert record_of({"level": "warning", "logger": "asyncio", "message": ""}).name == "pytriton.asyncio"
    assert record_of({"level": "warning", "logger": "pytritonic", "message": ""}).name == "pytriton.pytritonic"


def test_lines_of_the_command_say_why_it_ended(relayed: pytest.LogCaptureFixture) -> None:
    lines = b"pytriton-host: warning: odd\npytriton-host: port 1 is in use\n  by x\n"
    made = relay(b"MODEL VERSION\n\n", b'{"level": "error", "logger": "pytriton.host", "message": "m"}\n' + lines)
    assert made.problems == ("port 1 is in use", "  by x")
    found = {(record.levelname, record.getMessage()) for record in relayed.records}
    warnings = {("WARNING", "odd"), ("ERROR", "port 1 is in use"), ("ERROR", "m"), ("INFO", "MODEL VERSION")}
    assert found == {*warnings, ("ERROR", "  by x")}


def test_the_last_error_stands_for_a_daemon_without_last_words() -> None:
    lines = b'{"level": "error", "logger": "pytriton.host", "message": "first\\nsecond"}\n{"a": 1}\xff\n'
    assert relay(log=lines.splitlines(keepends=True)[0]).problems == ("first",)
    assert relay().problems == ()


def test_a_handler_that_raises_does_not_end_the_relay(relayed: pytest.LogCaptureFixture) -> None:
    class Broken(logging.Filter):
        def filter(self, record: logging.LogRecord) -> bool:
            raise ZeroDivisionError

    logger, broken = logging.getLogger("pytriton.broken"), Broken()
    logger.addFilter(broken)
    lines = [b'{"level": "info", "logger": "pytriton.%s", "message": "m"}\n' % name for name in (b"broken", b"whole")]
    try:
        relay(log=b"".join(lines))
    finally:
        logger.removeFilter(broken)
    assert [record.name for record in relayed.records] == ["pytriton.whole"]


def test_an_exception_tells_why_a_start_failed_and_the_log_does_not(relayed: pytest.LogCaptureFixture) -> None:
    """A traceback, which no exception has, is passed on."""
    events = [("info", "starting"), ("error", "plugin a: broken"), ("warning", "not ready: plugin a: broken")]
    lines = [json.dumps({"logger": "pytriton.host", "level": level, "message": text}) for level, text in events]
    traced = {"logger": "pytriton.worker", "level": "error", "message": "plugin a: broken", "traceback": "T"}
    log = "\n".join([*lines, json.dumps(traced), "pytriton-host: other"]).encode()
    made = starting(log=log)
    assert [record.getMessage() for record in relayed.records] == ["starting"]
    made.failed(["not ready: plugin a: broken"])
    found = [(record.getMessage(), record.exc_text) for record in relayed.records]
    assert found == [("starting", None), ("plugin a: broken", "T"), ("other", None)]
