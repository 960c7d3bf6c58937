"""The known names that were probably meant by an unknown one."""

from __future__ import annotations

import re
from collections.abc import Iterable

_MIN_SCORE, _MIN_WORD_SCORE = 0.65, 0.7
"""The lowest scores with which a name, and a word of a name, counts as close."""

_MAX_SUGGESTIONS = 3
"""Of names with the same score."""

_PREFIX_SCORE, _SWAPPED_SCORE = 0.92, 0.9
"""Of a name's beginning, and of the same letters in another order."""

_WORD_FACTOR = 0.9
"""A word of a name counts less than the whole name."""

_MIN_LENGTH = 3
"""Letters that a beginning or swapped letters need."""


def suggestion(name: str, known: Iterable[str]) -> str:
    """``; did you mean …?``, or nothing when no known name is close."""
    *others, last = closest(name, known) or [""]
    return f"; did you mean {' or '.join(filter(None, [', '.join(others), last]))}?" if last else ""


def closest(name: str, known: Iterable[str]) -> list[str]:
    """The known names that are closest to ``name``, as a whole or in one of their words; none when no name is close."""
    wanted = _plain(name)
    scores = {each: _score(wanted, _plain(each)) for each in sorted(known)}
    best = max(scores.values(), default=0.0)
    return [each for each, score in scores.items() if score == best][:_MAX_SUGGESTIONS] if best >= _MIN_SCORE else []


def _plain(name: str) -> str:
    return name.lower().lstrip("-")


def _score(wanted: str, known: str) -> float:
    """How likely it is that ``wanted`` was meant to be ``known``, from 0 to 1."""
    word_score = max(_word_score(wanted, known), _word_score(known, wanted)) * _WORD_FACTOR
    word_score = word_score if word_score >= _MIN_WORD_SCORE else 0.0
    prefix_score = _PREFIX_SCORE if len(wanted) >= _MIN_LENGTH and known.startswith(wanted) else 0.0
    return max(_likeness(wanted, known), prefix_score, word_score)


def _word_score(one: str, other: str) -> float:
    """How much ``one`` is like one of several words of ``other``."""
    words = [word for word in re.split(r"\W|_", other) if word != other]
    return max((_likeness(one, word) for word in words), default=0.0)


def _likeness(one: str, other: str) -> float:
    """From 0 to 1. `difflib` alone gives a low score to swapped letters, which are the usual typing mistake."""
    import difflib  # only a command with a mistake pays for it

    ratio = difflib.SequenceMatcher(None, one, other).ratio()
    return max(ratio, _SWAPPED_SCORE) if len(one) >= _MIN_LENGTH and sorted(one) == sorted(other) else ratio
