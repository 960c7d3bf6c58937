"""Fixtures for all rows of the table of faults."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.support.measure import figures

os.environ["PYTRITON_TEST_PATIENCE"] = "1"  # here how long it takes is what is shown


@pytest.fixture(autouse=True)
def ruler(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Measures during each test how late the machine wakes a sleeping process.

    A test with the mark ``counted`` runs beside others: it waits longer, and has no limit in seconds.
    """
    is_counted = request.node.get_closest_marker("counted") is not None
    if is_counted:
        monkeypatch.setenv("PYTRITON_TEST_PATIENCE", "6")
    monkeypatch.setattr(figures, "may_limit_seconds", not is_counted)
    with figures.Ruler() as figures.ruler:
        yield
    figures.ruler = None
