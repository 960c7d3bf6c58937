"""Facts that image and manifests share: settings that are local paths, the user of the processes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

LOCAL_PATHS = ("tritonserver", "plugins_dir", "run_dir", "model_repositories")
"""Settings that are paths of the machine where they were set; they have no meaning in an image."""

USER, GROUP = 10001, 0
"""User and group of the image's processes; files that they may read belong to the group."""


def interpreter_warnings(path: Path | None, environments: Sequence[object]) -> Iterator[str]:
    """One line if the configuration file at ``path`` has other interpreters."""
    if environments:
        yield f"{path}: environments: the image does not have these interpreters"
