"""Fixtures for all rows of the table of faults."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.support.measure import figures

os.environ["PYTRITON_TEST_PATIENCE"] = "1"  # here how long it takes is what is shown


@pytest.fixture(autouse=True)
def ruler() -> Iterator[None]:
    """Measures during each test how late the machine wakes a sleeping process."""
    with figures.Ruler() as figures.ruler:
        yield
    figures.ruler = None
