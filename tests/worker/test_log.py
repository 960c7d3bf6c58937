"""Messages of a model and of the worker when the model configures `logging` itself."""

from __future__ import annotations

import logging
import subprocess
import sys

import pytest

from tests.support.backend.worker_events import Event, events

PROGRAM = """
import logging, logging.config, sys, warnings, os, contextlib
from pytriton_plugins.worker.log import set_up_logging
set_up_logging({level!r})
# -- the model's module, and its callable
{model}
# --
try:
    raise ValueError("no luck")
except ValueError as error:
    logging.getLogger("pytriton.worker").error("model %s: a request failed", "m", exc_info=error)
    logging.getLogger("pytriton.acme").error("a hook plugin's")
"""

DICT = "logging.config.dictConfig({'version': 1, %s})"
CONSOLE = "'handlers': {'c': {'class': 'logging.StreamHandler'}}, 'root': {'handlers': ['c'], 'level': 'WARNING'}"


@pytest.fixture(autouse=True)
def heard(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets `caplog` get our messages even if a host has set up logging in this process."""
    monkeypatch.setattr(logging.getLogger("pytriton"), "propagate", True)


def log_of(caplog: pytest.LogCaptureFixture, model: str, level: str = "INFO") -> list[Event]:
    """The messages of a worker that ran ``model``."""
    command = [sys.executable, "-c", PROGRAM.format(level=level, model=model)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=True)
    return events(caplog, done.stdout)


def texts(found: list[Event]) -> list[tuple[str, str]]:
    """Level and first line of each message."""
    return [(level, lines[0]) for level, lines in found]


SILENCERS = {
    "dictConfig": DICT % "",
    "dictConfig with a root": DICT % CONSOLE,
    "dictConfig with a console and an own logger": DICT % f"{CONSOLE}, 'loggers': {{'acme': {{'level': 'INFO'}}}}",
    "basicConfig": "logging.basicConfig(level=logging.DEBUG)",
    "basicConfig, by force, into a file": "logging.basicConfig(filename='/dev/null', force=True)",
    "disable": "logging.disable()",
    "no handlers": "logging.root.handlers.clear(); logging.getLogger('pytriton').handlers.clear()",
    "shutdown": "logging.shutdown()",
    "every logger": """
for name in list(logging.root.manager.loggerDict):
    logger = logging.getLogger(name)
    logger.disabled, logger.propagate = True, False
    logger.setLevel(logging.CRITICAL + 1)
    logger.handlers.clear()
    logger.addFilter(lambda record: False)
""",
    "a handler that fails": """
class Broken(logging.Handler):
    def handle(self, record): raise RuntimeError
logging.root.addHandler(Broken())
""",
    "names": "logging.addLevelName(logging.ERROR, 'E')",
    "standard error closed": "sys.stderr.close()",
    "standard error elsewhere": "os.dup2(os.open(os.devnull, os.O_WRONLY), 2)",
    "an unfinished line": "print('50%', end='', flush=True)",
    "an unfinished line of a child": "os.system('printf 50%')",
    "captureWarnings": "logging.captureWarnings(True)",
}


@pytest.mark.parametrize("way", SILENCERS)
def test_no_configuration_of_a_model_hides_the_errors_of_its_calls(caplog: pytest.LogCaptureFixture, way: str) -> None:
    errors = [lines for level, lines in log_of(caplog, SILENCERS[way]) if level == "ERROR"]
    (error,) = [lines for lines in errors if lines[0] == "model m: a request failed"]
    assert (error[1], error[-1]) == ("Traceback (most recent call last):", "ValueError: no luck")


def test_the_errors_reach_what_a_model_has_set_up_beside_the_console(caplog: pytest.LogCaptureFixture) -> None:
    """A handler that the model adds gets the errors too."""
    model = """
class Collector(logging.Handler):
    def emit(self, record): print("collected", record.name, record.levelname, record.exc_info is not None)
logging.basicConfig(handlers=[Collector()])
"""
    found = texts(log_of(caplog, model))
    assert ("INFO", "collected pytriton.worker ERROR True") in found
    assert ("ERROR", "model m: a request failed") in found


MESSAGES = "log = logging.getLogger('acme'); log.debug('d'); log.info('i'); log.warning('w'); log.error('e')"


def test_a_models_messages_have_their_level(caplog: pytest.LogCaptureFixture) -> None:
    assert texts(log_of(caplog, MESSAGES))[:-2] == [("INFO", "i"), ("WARNING", "w"), ("ERROR", "e")]
    assert caplog.records[0].source == "acme"  # type: ignore[attr-defined]


def test_at_level_debug_its_debug_lines_are_there(caplog: pytest.LogCaptureFixture) -> None:
    assert texts(log_of(caplog, MESSAGES, "DEBUG"))[:-2] == [
        ("DEBUG", "d"),
        ("INFO", "i"),
        ("WARNING", "w"),
        ("ERROR", "e"),
    ]


@pytest.mark.parametrize("stream", ["", ", stream=sys.stdout", ", force=True"])
def test_basic_config_does_what_its_author_expects(caplog: pytest.LogCaptureFixture, stream: str) -> None:
    """The author's format and level hold; records below the daemon's level get level INFO."""
    model = f"logging.basicConfig(level=logging.DEBUG, format='%(name)s says %(message)s'{stream}); {MESSAGES}"
    assert texts(log_of(caplog, model))[:-2] == [
        ("INFO", "acme says d"),
        ("INFO", "acme says i"),
        ("WARNING", "acme says w"),
        ("ERROR", "acme says e"),
    ]
    caplog.clear()
    assert texts(log_of(caplog, model, "DEBUG"))[0] == ("DEBUG", "acme says d")


def test_basic_config_that_fails_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    model = f"with contextlib.suppress(ValueError): logging.basicConfig(stream=sys.stderr, filename='x')\n{MESSAGES}"
    assert texts(log_of(caplog, model))[:-2] == [("INFO", "i"), ("WARNING", "w"), ("ERROR", "e")]


def test_a_console_of_dict_config_keeps_levels(caplog: pytest.LogCaptureFixture) -> None:
    assert texts(log_of(caplog, f"{DICT % CONSOLE}; {MESSAGES}"))[:-2] == [("WARNING", "w"), ("ERROR", "e")]


def test_warnings_are_warnings_once_they_are_captured(caplog: pytest.LogCaptureFixture) -> None:
    level, lines = log_of(caplog, "logging.captureWarnings(True); warnings.warn('old')")[0]
    assert (level, lines[0].endswith("UserWarning: old")) == ("WARNING", True)
