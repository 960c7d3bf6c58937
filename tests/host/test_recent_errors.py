"""The last errors of the log: only errors, one line each, and no more than are kept."""

from __future__ import annotations

import logging
import re

from pytriton_plugins.host.recent_errors import KEPT, RecentErrors


def test_the_last_ones_are_kept() -> None:
    logger = logging.getLogger("pytriton-test.recent")
    errors = RecentErrors.watching("pytriton-test")
    for number in range(KEPT + 5):
        logger.error("number %d", number)
        logger.warning("no error")
    assert [each["message"] for each in errors.lines] == [f"number {number}" for number in range(5, KEPT + 5)]


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
