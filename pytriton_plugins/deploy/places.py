"""Settings that mean a place of the machine where they were made, and so not the same in an image."""

from __future__ import annotations

from collections.abc import Iterator

from pytriton_plugins.config_tables import Tables

PLACES = ("tritonserver", "plugins_dir", "run_dir")

USER, GROUP = 10001, 0
"""Whom the image's processes belong to; what they may read is the group's."""


def interpreters(tables: Tables) -> Iterator[str]:
    """One line if the configuration names other Pythons."""
    if tables.environments:
        yield f"{tables.path} names other interpreters under environments, which the image does not have"
