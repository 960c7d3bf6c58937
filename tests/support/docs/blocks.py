"""The fenced code blocks of README.md and docs/, and the commands and outputs in them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs"
GENERATED = "<!-- Written by docs/generate.py "
"""The first line of a page that is generated from the code begins with this."""

_ALL = sorted((ROOT / "docs").rglob("*.md"))
PAGES = (ROOT / "README.md", *(path for path in _ALL if not path.read_text().startswith(GENERATED)))
"""The pages that are written by hand, in the order of their paths."""

SCRIPTS = ("README", "serve-from-a-script", "serve-from-a-notebook", "attach-callables")
"""The pages whose programs start daemons."""

_FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\w*)\n(?P<text>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL)
_HOST = re.compile(r"\bHost(\.connect)?\(")
_NAME = re.compile(r"# (\S+\.(?:py|toml))\n")


@dataclass(frozen=True)
class Block:
    """One fenced block of the page with that stem; ``name`` is the file that its first line names, "" for none."""

    page: str
    line: int
    language: str
    text: str
    name: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


@dataclass(frozen=True)
class Command:
    """One ``$`` line of a console block, and what the page shows as its output ("" for nothing)."""

    block: Block
    line: str
    output: str


def blocks(*languages: str) -> list[Block]:
    """The blocks in ``languages``, in reading order."""
    return [block for page in PAGES for block in _blocks_of(page) if block.language in languages]


def is_script(block: Block) -> bool:
    """Whether a Python block is a program that starts a daemon, or a cell of a notebook that does."""
    return block.page in SCRIPTS and (bool(_HOST.search(block.text)) or block.name.startswith("cell-"))


def commands() -> list[Command]:
    """The commands of all console blocks."""
    found = []
    for block in blocks("console"):
        for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
            line, _, output = part.partition("\n")
            found.append(Command(block, line, output.strip()))
    return found


def _blocks_of(page: Path) -> list[Block]:
    text = page.read_text()
    found = []
    for match in _FENCE.finditer(text):
        name = _NAME.match(dedent(match["text"]))
        line = text.count("\n", 0, match.start()) + 1
        found.append(Block(page.stem, line, match["language"], dedent(match["text"]), name[1] if name else ""))
    return found
