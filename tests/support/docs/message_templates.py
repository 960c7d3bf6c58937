"""The texts that our code can say: the string constants of its sources, with holes for what is filled in later."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache

from tests.support.docs.blocks import ROOT

HOLE = "\0"
"""Stands in a template for what is filled in later."""

EXAMPLE = 3
"""Words that a name or a number of a quote has, at most."""

SOURCES = ("pytriton_plugins", "plugins")
_FIELD = re.compile(r"%(?:\(\w+\))?[-+ #0]*[\d*]*(?:\.[\d*]+)?(?:hh|h|ll|l|z)?[sdrufgixXc]|\{[\w.!:]*\}")
_MACRO = re.compile(r'%"\s*PRI\w+\s*"')
_C_STRING = re.compile(r'"((?:[^"\\\n]|\\.)*)"')
_C_STRINGS = re.compile(rf"{_C_STRING.pattern}(?:\s*{_C_STRING.pattern})*")
_WORD = re.compile(r"\(\w[^()]* [^()]*\)|\S+")
_PLAIN = re.compile(r"[a-z'-]+")
_MARKS = ",;:."

Words = tuple[str, ...]


def can_be_said(text: str) -> bool:
    """Whether a template has the words of ``text``, or one has its beginning and another one the rest."""
    words = words_of(text)
    cuts = range(2, len(words) - 1)
    return _in_a_row(words, 1) or any(_in_a_row(words[:cut], 4) and _in_a_row(words[cut:], 4) for cut in cuts)


def words_of(text: str) -> Words:
    """Without punctuation at their ends; a list in brackets is one word."""
    return tuple(word.rstrip(_MARKS) for word in _WORD.findall(text))


@cache
def _in_a_row(words: Words, many: int) -> bool:
    """Whether a template has ``words`` in a row.

    Names and numbers may stand for its holes, and one plain word where there are more than ``many``.
    """
    plain = len(list(filter(_PLAIN.fullmatch, words)))
    least = max(1, plain - (plain > many))
    starts = ((template, start) for template in our_templates() for start in range(len(template)))
    return any(own_words(words, template[start:]) >= least for template, start in starts)


def own_words(words: Words, template: Words) -> int:
    """How many of ``words`` are the template's own, if it begins with them; -1 if it does not."""
    if not words or not template:
        return -1 if words else 0
    if not template[0].strip(HOLE):
        return max(own_words(words[count:], template[1:]) for count in range(1, EXAMPLE + 1))
    rest = own_words(words[1:], template[1:]) if _fits(words[0], template[0]) else -1
    return rest if rest < 0 else rest + 1


@cache
def _fits(word: str, template: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, template.split(HOLE))), word) is not None


@cache
def our_templates() -> frozenset[Words]:
    """The strings of the Python and C sources of the package and of the plugins."""
    files = [path for folder in SOURCES for path in sorted((ROOT / folder).rglob("*")) if "tests" not in path.parts]
    found = [text for path in files if path.suffix == ".py" for text in python_strings(path.read_text())]
    found += [text for path in files if path.suffix in (".c", ".h") for text in c_strings(path.read_text())]
    return frozenset(words for words in map(words_of, found) if any(word.strip(HOLE) for word in words))


def python_strings(source: str) -> Iterator[str]:
    """Each string with what is written beside it: an f-string, a sum and a format are one template each.

    Docstrings are not among them.
    """
    tree = ast.parse(source)
    described = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant | ast.JoinedStr | ast.BinOp) and node not in described:
            yield _FIELD.sub(HOLE, _text(node))


def _text(node: ast.AST) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(map(_text, node.values))
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _text(node.left) + _text(node.right)
    return HOLE


def c_strings(source: str) -> Iterator[str]:
    """Each literal, joined with the literals that follow it."""
    for run in _C_STRINGS.finditer(_MACRO.sub("%s", source)):
        yield _FIELD.sub(HOLE, "".join(_C_STRING.findall(run[0])))
