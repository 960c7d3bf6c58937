"""Whether this host runs in a container; runs in the host."""

from __future__ import annotations

import os
from pathlib import Path

_MARKS = (Path("/.dockerenv"), Path("/run/.containerenv"))


def in_container() -> bool:
    """Whether a container engine or Kubernetes left its mark, or this host is the child of its own init."""
    if "KUBERNETES_SERVICE_HOST" in os.environ or any(mark.exists() for mark in _MARKS):
        return True
    return os.getppid() == 1 and _is_ours(Path("/proc/1/cmdline"))


def _is_ours(command: Path) -> bool:
    try:
        return b"pytriton" in command.read_bytes()
    except OSError:
        return False  # another user's, in a /proc that hides those
