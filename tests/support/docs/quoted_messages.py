"""The messages that pages quote, and the parts of them that a program must have as texts."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tests.support.docs.blocks import PAGES

_BLOCK = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`([^`\n]+)`")
_TABLE = re.compile(r"^\| (.+?) \|.*\n\|[-|]+\n((?:\|.*\n)+)", re.MULTILINE)
_HEADINGS = ("message", "symptom", "`ended with`")
"""First cells of the tables whose rows begin with messages."""

_WORD = re.compile(r"[a-z][a-z']*[:;,]?")
_MANY = 3
"""Plain words from which on code outside such a table is taken for a message."""

_NO_MESSAGE = re.compile(r"(?:python3?|pip|kubectl|pytriton-host|bind) |--\S+ \S+$|.* \+ ")
"""Code of several words that is a command, an option, a line of a configuration or a sum."""

_CLAUSE = re.compile(r"[:;] | ?\S*…\S* ?")


@dataclass(frozen=True)
class Quote:
    """A message as a page quotes it: `…` stands for any text, and names and numbers are examples."""

    page: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}: {self.text}"

    @property
    def parts(self) -> list[str]:
        """The text between the places that `…` leaves out, and between the texts that a message is joined from."""
        return [part for part in _CLAUSE.split(self.text) if _WORD.search(part)]


def quotes() -> list[Quote]:
    """Every quoted message that is recognisable as one."""
    return [Quote(path.name, text) for path in PAGES for text in quoted_in(path.read_text())]


def quoted_in(page: str) -> list[str]:
    prose = _BLOCK.sub("", page)
    long = [code for code in _CODE.findall(prose) if len(list(filter(_WORD.fullmatch, code.split()))) >= _MANY]
    found = [code for code in [*_in_tables(prose), *long] if " " in code and not _NO_MESSAGE.match(code)]
    return list(dict.fromkeys(found))


def _in_tables(prose: str) -> list[str]:
    rows = [row for heading, body in _TABLE.findall(prose) if heading in _HEADINGS for row in body.splitlines()]
    return [code.replace("\\|", "|") for row in rows for code in _CODE.findall(row.split(" | ")[0])]
