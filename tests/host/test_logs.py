"""Each message of the log is one line, whatever a plugin put into it."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from pytriton_plugins.host.logs import set_up_logging


@pytest.fixture
def log() -> Iterator[logging.Logger]:
    logger = logging.getLogger("pytriton")
    before = logger.handlers[:], logger.level, logger.propagate
    yield logger
    logger.handlers[:], logger.level, logger.propagate = before


def test_control_characters_and_line_ends_are_escaped(log: logging.Logger, capsys: pytest.CaptureFixture[str]) -> None:
    """Seen red with the standard library's own formatter."""
    set_up_logging("info")
    logging.getLogger("pytriton.health").warning("not ready: %s", "guard: \x1b[31mred\nsecond line")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith(r" WARNING pytriton.health: not ready: guard: \x1b[31mred\nsecond line")
