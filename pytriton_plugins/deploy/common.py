"""What image and manifests have in common: places, whose the processes are, how long a start may take."""

from __future__ import annotations

import math
from collections.abc import Iterator

from pytriton_plugins.config.host_config import HostConfig
from pytriton_plugins.config.tables import Tables

PLACES = ("tritonserver", "plugins_dir", "run_dir")
"""Settings that mean a place of the machine where they were made, and so not the same in an image."""

USER, GROUP = 10001, 0
"""Whom the image's processes belong to; what they may read is the group's."""


def interpreters(tables: Tables) -> Iterator[str]:
    """One line if the configuration names other Pythons."""
    if tables.environments:
        yield f"{tables.path} names other interpreters under environments, which the image does not have"


def startup_seconds(config: HostConfig) -> int:
    """How long it may take until every model serves: its import, its set-up, and its load into Triton."""
    return math.ceil(config.import_timeout + 2 * config.load_timeout)
