"""Which known name was meant by one that is unknown; any process."""

from __future__ import annotations

import re
from collections.abc import Iterable

_CLOSE, _CLOSE_WORD, _MOST = 0.65, 0.7, 3
"""From which score on names, and words of names, are close, and how many that are equally close are told."""

_BEGUN, _SWAPPED, _LESS, _LEAST = 0.92, 0.9, 0.9, 3
"""Scores of the begin of a name and of swapped letters; what a word counts less; letters that either needs."""


def suggestion(name: str, known: Iterable[str]) -> str:
    """``; did you mean …?``, or nothing when no known name is close."""
    *others, last = closest(name, known) or [""]
    return f"; did you mean {' or '.join(filter(None, [', '.join(others), last]))}?" if last else ""


def closest(name: str, known: Iterable[str]) -> list[str]:
    """The known names that are the closest, as a whole or in one of their words; none when no name is close."""
    wanted = _plain(name)
    scores = {each: _score(wanted, _plain(each)) for each in sorted(known)}
    best = max(scores.values(), default=0.0)
    return [each for each, score in scores.items() if score == best][:_MOST] if best >= _CLOSE else []


def _plain(name: str) -> str:
    return name.lower().lstrip("-")


def _score(wanted: str, known: str) -> float:
    """How likely it is that ``wanted`` was meant to be ``known``, from 0 to 1."""
    of_a_word = max(_of_a_word(wanted, known), _of_a_word(known, wanted)) * _LESS
    of_a_word = of_a_word if of_a_word >= _CLOSE_WORD else 0.0
    begun = _BEGUN if len(wanted) >= _LEAST and known.startswith(wanted) else 0.0
    return max(_likeness(wanted, known), begun, of_a_word)


def _of_a_word(one: str, other: str) -> float:
    """How much ``one`` is like one of several words of ``other``."""
    words = [word for word in re.split(r"\W|_", other) if word != other]
    return max((_likeness(one, word) for word in words), default=0.0)


def _likeness(one: str, other: str) -> float:
    """From 0 to 1. `difflib` itself thinks little of two letters that were swapped, which is the usual slip."""
    import difflib  # only mistakes pay for it

    ratio = difflib.SequenceMatcher(None, one, other).ratio()
    return max(ratio, _SWAPPED) if len(one) >= _LEAST and sorted(one) == sorted(other) else ratio
