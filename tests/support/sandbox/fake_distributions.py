"""Installs a distribution the way pip leaves it: a module and a *.dist-info folder with its entry points."""

from __future__ import annotations

import os
import textwrap
from pathlib import Path


def install(
    folder: Path, name: str, entry_points: dict[str, dict[str, str]], *, version: str = "1.0", **modules: str
) -> None:
    """Write distribution ``name`` into ``folder``; ``modules`` maps module names to their source.

    ``entry_points`` maps a group to its entry points, each a name and a reference.
    """
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    sections = [
        f"[{group}]\n" + "".join(f"{point} = {value}\n" for point, value in points.items())
        for group, points in entry_points.items()
    ]
    (info / "entry_points.txt").write_text("\n".join(sections))
    for module, source in modules.items():
        (folder / f"{module}.py").write_text(textwrap.dedent(source))


def path_with(folder: Path) -> str:
    """The PYTHONPATH with which a child finds ``folder`` first."""
    return os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
