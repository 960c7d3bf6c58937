"""The last errors of the log: errors only, one line each, in a limited number."""

from __future__ import annotations

import logging
import re
import traceback

import pytest

from pytriton_plugins.host.log.recent_errors import MAX_ERRORS, RecentErrors, exception_of
from pytriton_plugins.host.log.setup import about


def test_the_last_ones_are_kept() -> None:
    logger = logging.getLogger("pytriton-test.recent")
    errors = RecentErrors.watching("pytriton-test")
    for number in range(MAX_ERRORS + 5):
        logger.error("number %d", number)
        logger.warning("no error")
    assert [each["message"] for each in errors.lines] == [f"number {number}" for number in range(5, MAX_ERRORS + 5)]


def test_a_line_is_one_line_with_its_exception() -> None:
    errors = RecentErrors()
    logger = logging.Logger("a.logger")
    logger.addHandler(errors)
    try:
        raise OSError("no\nweights\x1b[31m")
    except OSError:
        logger.exception("model %s:\nbroken", "x")
    (line,) = errors.lines
    assert (line["logger"], line["message"]) == ("a.logger", "model x: broken: OSError: no weights\\x1b[31m")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", line["time"])


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        ("raise ValueError('bad [red]')", "ValueError: bad [red]"),
        ("raise ValueError('two\\nlines')", "ValueError: two"),
        ("assert False", "AssertionError"),
        ("try:\n    1 / 0\nfinally:\n    raise KeyError('second')", "KeyError: 'second'"),
        ("def deep(n):\n    return deep(n + 1)\ndeep(0)", "RecursionError: maximum recursion depth exceeded"),
    ],
)
def test_the_output_of_a_worker_names_its_exception(raised: str, expected: str) -> None:
    """The exception is named for a traceback from `logging` and for a plain one."""
    errors = RecentErrors()
    logger = logging.Logger("pytriton.worker")
    logger.addHandler(errors)
    try:
        exec(raised, {})
    except Exception:
        printed = traceback.format_exc().splitlines()
    logger.error("%s", "", extra=about(printed=["model m: a request failed", *printed], model="m", worker=7))
    logger.error("%s", "", extra=about(printed=printed, model="m", worker=7))
    first, second = (line["message"] for line in errors.lines)
    assert first.startswith(f"model m: a request failed: {expected}")
    assert second.startswith(f"model m: {expected}")


def test_a_group_of_exceptions_is_named() -> None:
    """An exception group is named, as Python 3.11 prints it."""
    lines = """  + Exception Group Traceback (most recent call last):
  |   File "model.py", line 1, in <module>
  | ExceptionGroup: both (2 sub-exceptions)
  +-+---------------- 1 ----------------
    | ValueError: a
    +---------------- 2 ----------------
    | KeyError: 'b'
    +------------------------------------""".splitlines()
    assert exception_of(lines) == ["ExceptionGroup: both (2 sub-exceptions)"]
