"""The words that this project does not use, and their replacements; ``python -m tests.support.words [FILE …]``.

Without files it reads every text file of the checkout. It prints one line for each finding and exits with 1.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
SUFFIXES = {".py", ".c", ".h", ".md", ".toml", ".ini", ".yaml", ".yml", ".txt", ".cfg"}
LEFT_OUT = {".git", ".tox", ".venv", "build", "dist", "bundle", "results", "site", "golden", "__pycache__"}
"""Folders that hold no prose of ours."""

EXCLUDED = {Path("tests/support/words.py"), Path("tests/test_words.py")}
"""The list itself and its test, which hold the words as examples."""


class Word(NamedTuple):
    """A pattern, and the words to write instead."""

    pattern: re.Pattern[str]
    instead: str


def _word(pattern: str, instead: str) -> Word:
    return Word(re.compile(pattern, re.IGNORECASE), instead)


WORDS = (
    _word(r"(?<!there )\b(?:is|are|was|were) no (?!longer\b|more\b|one\b)", "is not a, does not, there is no"),
    _word(r"\b(?:by|to|for|from) nobody\b", "name who does, or: unused, closed to all"),
    _word(r"\blet(?:s|ting)? go of\b", "release"),
    _word(r"\btime-outs?\b", "timeout"),
    _word(r"\bgoes before\b", "overrides"),
    _word(r"^\s*(?:said|whose|took|gave)(?:: [^=]+)? = ", "a noun as the name: message, owner, duration, result"),
)


class Finding(NamedTuple):
    """One word in one line."""

    file: Path
    line: int
    text: str
    instead: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.text!r}; write: {self.instead}"


def findings_in(file: Path, text: str) -> Iterator[Finding]:
    """Every listed word in ``text``."""
    for number, line in enumerate(text.splitlines(), 1):
        for word in WORDS:
            for match in word.pattern.finditer(line):
                yield Finding(file, number, match[0].strip(), word.instead)


def files_of_the_checkout(root: Path = ROOT) -> Iterator[Path]:
    """The text files below ``root`` with our own prose, by name."""
    for path in sorted(root.rglob("*")):
        inside = path.relative_to(root)
        if path.suffix in SUFFIXES and not LEFT_OUT.intersection(inside.parts) and path.is_file():
            yield inside


def findings(files: Iterable[Path], root: Path = ROOT) -> Iterator[Finding]:
    """Every listed word in ``files``, which are relative to ``root``."""
    for file in files:
        if file not in EXCLUDED and file.suffix in SUFFIXES and not LEFT_OUT.intersection(file.parts):
            yield from findings_in(file, (root / file).read_text(encoding="utf-8"))


def main() -> int:
    """Print the findings; 1 if there are any."""
    named = [Path(name) for name in sys.argv[1:]]
    found = list(findings(named or files_of_the_checkout()))
    for finding in found:
        print(finding)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
