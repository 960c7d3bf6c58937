"""What all rows of the table of faults share; runs in pytest."""

from __future__ import annotations

from collections.abc import Iterator

import figures
import pytest


@pytest.fixture(autouse=True)
def ruler() -> Iterator[None]:
    """Measures beside each test how late the machine wakes a sleeper."""
    with figures.Ruler() as figures.ruler:
        yield
    figures.ruler = None
