"""The lines of the checkout's Python modules; test modules are exempt, because a list of cases may be long."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

MAX_LINES = 300
FOLDERS = ("pytriton_plugins", "plugins", "examples", "docs", "benchmarks", "tests")
LEFT_OUT = ("build", "dist", "bundle", ".tox", ".venv")
"""Folders with copies of modules, or with those of others."""

LISTS = ("pytriton_plugins/config/settings.py", "pytriton_plugins/hooks/specs.py")
"""A list with an entry for each setting, and for each hook: it grows, and is read at one place."""


def long_modules(root: Path) -> list[str]:
    """The modules below ``root`` with more than `MAX_LINES` lines, each with its number of lines."""
    sizes = {path: len(path.read_text().splitlines()) for path in _modules(root)}
    return [f"{path.relative_to(root)}: {lines}" for path, lines in sizes.items() if lines > MAX_LINES]


def _modules(root: Path) -> Iterator[Path]:
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*.py")):
            place = path.relative_to(root)
            if (
                not path.name.startswith("test_")
                and not set(LEFT_OUT).intersection(place.parts)
                and str(place) not in LISTS
            ):
                yield path
