"""Two distributions own the import package ``pytriton``: the message where both are installed."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from importlib.metadata import Distribution

OURS = "pytriton-plugins-pytriton"
THEIRS = "nvidia-pytriton"


def warn_of_nvidia_pytriton(distributions: Callable[..., Iterable[Distribution]]) -> None:
    """Warn in one line where NVIDIA's distribution is installed beside this one: their files overwrite each other."""
    if any(True for _ in distributions(name=THEIRS)):
        warnings.warn(
            f"{THEIRS} and {OURS} are both installed, and their files in the package pytriton overwrite each other; "
            f"run: pip uninstall -y {THEIRS} {OURS} && pip install {OURS}",
            UserWarning,
            stacklevel=3,
        )
