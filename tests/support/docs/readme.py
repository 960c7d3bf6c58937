"""The commands of README.md."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[3]


def commands() -> tuple[str, str]:
    """The two commands of the first screen, word for word: serve, and check everything."""
    lines = (ROOT / "README.md").read_text().splitlines()
    found = [line.removeprefix("    ") for line in lines if line.startswith("    python3 -m venv .venv && ")]
    serve, check = found
    return serve, check
