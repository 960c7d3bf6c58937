"""Fixtures for tests of plugins, in every pytest run where this package is installed; cheap until one is used."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytriton_plugins.script.targets import Target
    from pytriton_plugins.testing.host import RunningHost


@pytest.fixture(scope="module")
def pytriton_host_targets() -> list[Target]:
    """The targets that `pytriton_host` serves, as for `run_host`; default: every installed plugin."""
    return []


@pytest.fixture(scope="module")
def pytriton_host_options() -> list[str]:
    """Further options of `pytriton-host serve` for `pytriton_host`; default: none."""
    return []


@pytest.fixture(scope="module")
def pytriton_host(pytriton_host_targets: list[Target], pytriton_host_options: list[str]) -> Iterator[RunningHost]:
    """A daemon with a real tritonserver on free ports, ready to serve; one for each test module."""
    from pytriton_plugins.testing.host import run_host

    with run_host(*pytriton_host_targets, options=pytriton_host_options) as host:
        yield host
