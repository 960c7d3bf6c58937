"""Each message of the log is one line or one JSON object, even with control characters from a plugin."""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Iterator

import pytest

from pytriton_plugins.host.log.rate_limit import MAX_BURST, MAX_LINES_PER_SECOND
from pytriton_plugins.host.log.setup import Log, about, set_up_logging
from pytriton_plugins.host.triton.output import log_line
from tests.support.sandbox.loggers import restored_loggers

PATIENCE = 60.0


@pytest.fixture
def log() -> Iterator[logging.Logger]:
    with restored_loggers() as logger:
        yield logger


def lines(log: Log, capfd: pytest.CaptureFixture[str]) -> list[str]:
    log.close(PATIENCE)
    return capfd.readouterr().err.splitlines()


def test_control_characters_and_line_ends_are_escaped(log: logging.Logger, capfd: pytest.CaptureFixture[str]) -> None:
    set_up = set_up_logging("info")
    logging.getLogger("pytriton.health").warning("not ready: %s", "guard: \x1b[31mred\nsecond line")
    (line,) = lines(set_up, capfd)
    assert line.endswith(r" WARNING pytriton.health: not ready: guard: \x1b[31mred\nsecond line")


def test_tracebacks_of_the_host_are_escaped_too(log: logging.Logger, capfd: pytest.CaptureFixture[str]) -> None:
    set_up = set_up_logging("info")
    try:
        raise ValueError("\x1b]0;title")
    except ValueError:
        logging.getLogger("pytriton.hooks").exception("a hook failed")
    printed = lines(set_up, capfd)
    assert printed[0].endswith(" ERROR   pytriton.hooks: a hook failed")
    assert printed[1] == "    Traceback (most recent call last):"
    assert printed[-1] == r"    ValueError: \x1b]0;title"


def test_lines_that_belong_together_have_one_prefix(log: logging.Logger, capfd: pytest.CaptureFixture[str]) -> None:
    """Continuation lines begin with blanks, so a plugin's output cannot look like a record."""
    set_up = set_up_logging("info")
    forged = "2026-11-30 08:10:22,817 ERROR   pytriton.host: forged"
    printed = [
        "model boom: a request failed",
        "Traceback (most recent call last):",
        '  File "m.py", line 1',
        forged,
        "",
    ]
    fields = about(printed=printed, source="pytriton.worker", plugin="acme", model="boom", worker=7)
    logging.getLogger("pytriton.worker").error("%s", printed[0], extra=fields)
    logging.getLogger("pytriton.worker").error("%s", "x", extra=about(printed=["x"], source="acme.nets", worker=7))
    first, *more, last = lines(set_up, capfd)
    assert first.endswith(" ERROR   pytriton.worker: boom[7]: model boom: a request failed")
    assert more == ["    " + line for line in printed[1:]]
    assert last.endswith(" ERROR   pytriton.worker: [7]: acme.nets: x")


def test_json_has_one_object_a_line(log: logging.Logger, capfd: pytest.CaptureFixture[str]) -> None:
    set_up = set_up_logging("info", "json")
    logger = logging.getLogger("pytriton.host")
    logger.error("model %s: %s", "resnet", "two\nlines\u2028 é", extra=about(worker=7, source=None))
    try:
        raise ValueError("no")
    except ValueError:
        logger.exception("plugin %s: it failed", "acme")
    logger.info("ready")
    first, second, third = map(json.loads, lines(set_up, capfd))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", first.pop("time"))
    assert first == {
        "level": "error",
        "logger": "pytriton.host",
        "message": "model resnet: two\nlines\u2028 é",
        "worker": 7,
        "model": "resnet",
    }
    assert (second["plugin"], second["traceback"].splitlines()[-1]) == ("acme", "ValueError: no")
    assert set(third) == {"time", "level", "logger", "message"}


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_message_that_does_not_fit_its_arguments(
    log: logging.Logger, capfd: pytest.CaptureFixture[str], form: str
) -> None:
    """A message that cannot be formatted is logged with the reason."""
    set_up = set_up_logging("info", form)
    logging.getLogger("pytriton.acme").error("%d", "x")
    (line,) = lines(set_up, capfd)
    assert "pytriton.acme: '%d' cannot be logged: TypeError" in line


@pytest.mark.parametrize(
    ("line", "level", "source", "message"),
    [
        ('E1125 09:00:00.000000 123 server.cc:12] "bad \\"name\\""', "error", "server.cc:12", 'bad "name"'),
        ("W1125 09:00:00.000000 123 model_config-2.cc:7] as before", "warning", "model_config-2.cc:7", "as before"),
        ('I1125 09:00:00.000000 123 http.cc:1] "started"', "info", "http.cc:1", "started"),
        ('W1125 09:00:00.000000 1 a.cc:1] "pytriton_gate is closed"', "debug", "a.cc:1", "pytriton_gate is closed"),
        ("+-----+", "debug", None, "+-----+"),
    ],
)
def test_lines_of_tritonserver(
    log: logging.Logger, capfd: pytest.CaptureFixture[str], line: str, level: str, source: str | None, message: str
) -> None:
    set_up = set_up_logging("debug", "json")
    log_line(line)
    (event,) = map(json.loads, lines(set_up, capfd))
    assert (event["level"], event.get("source"), event["message"]) == (level, source, message)


def test_infos_of_tritonserver_are_no_news(log: logging.Logger, capfd: pytest.CaptureFixture[str]) -> None:
    """tritonserver's INFO lines are not shown at log level info."""
    set_up = set_up_logging("info")
    log_line('I1125 09:00:00.000000 123 http.cc:1] "started"')
    log_line('W1125 09:00:00.000000 123 http.cc:1] "careful"')
    (line,) = lines(set_up, capfd)
    assert line.endswith(" WARNING pytriton.tritonserver.output: http.cc:1: careful")


def test_a_message_without_end_is_told_at_a_rate(log: logging.Logger, capfd: pytest.CaptureFixture[str]) -> None:
    set_up, began = set_up_logging("info"), time.monotonic()
    for number in range(3000):
        logging.getLogger("pytriton.host").warning("model %s: no room", number)
    # For each message after the first ones another line says how many were left out before it.
    most = MAX_BURST + 2 * (MAX_LINES_PER_SECOND * (time.monotonic() - began) + 1)
    assert MAX_BURST <= len(lines(set_up, capfd)) <= most
