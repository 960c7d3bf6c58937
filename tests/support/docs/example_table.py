"""The table of examples/README.md."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import NamedTuple

from tests.support.docs.example_files import EXAMPLES


class Row(NamedTuple):
    """A row: the example, the command that tries it, and the page that shows it."""

    file: str
    command: list[str]
    page: Path


def table() -> list[Row]:
    """Every row."""
    text = (EXAMPLES / "README.md").read_text()
    rows = re.findall(r"^\| \[`(.+?)`\]\((.+?)\) \| .+ \| `(.+)` \| \[.+\]\((.+)\) \|$", text, re.MULTILINE)
    assert all(name == link for name, link, _, _ in rows)
    return [Row(name, shlex.split(command), (EXAMPLES / page).resolve()) for name, _, command, page in rows]
