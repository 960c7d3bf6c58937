"""Reads the vectors of tests/golden; the README there describes their form."""

from __future__ import annotations

import re
from pathlib import Path

_FOLDER = Path(__file__).parents[2] / "golden"
_REPEATED = re.compile(r"(\d+) \* ([0-9a-f]{2})")


def golden(file: str, section: str) -> bytes:
    """The bytes of one section."""
    found = sections(file)[section]
    return b"".join(_line(line) for line in found)


def sections(file: str) -> dict[str, list[str]]:
    """The lines of each section, without comments."""
    found: dict[str, list[str]] = {}
    name = ""
    for line in (_FOLDER / f"{file}.txt").read_text().splitlines():
        content = line.partition("#")[0].strip()
        if content.startswith("=="):
            name = content.removeprefix("==").strip()
            assert name not in found, f"section {name} comes twice"
            found[name] = []
        elif content:
            found[name].append(content)
    return found


def _line(content: str) -> bytes:
    repeated = _REPEATED.fullmatch(content)
    return bytes.fromhex(repeated[2]) * int(repeated[1]) if repeated else bytes.fromhex(content)
