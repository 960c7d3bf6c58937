"""Fixtures for tests of plugins, there in every pytest run beside this package; imports little until one is used."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytriton_plugins.testing.host import RunningHost


@pytest.fixture(scope="module")
def pytriton_host_targets() -> list[str]:
    """What `pytriton_host` serves, as `pytriton-host serve` takes it; every installed plugin unless overridden."""
    return []


@pytest.fixture(scope="module")
def pytriton_host_options() -> list[str]:
    """Further options of `pytriton-host serve` for `pytriton_host`; none unless overridden."""
    return []


@pytest.fixture(scope="module")
def pytriton_host(pytriton_host_targets: list[str], pytriton_host_options: list[str]) -> Iterator[RunningHost]:
    """A whole daemon with a real tritonserver on free ports, ready; one for each test module."""
    from pytriton_plugins.testing.host import run_host

    with run_host(*pytriton_host_targets, options=pytriton_host_options) as host:
        yield host
