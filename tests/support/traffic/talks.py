"""Requests for several models in many sizes, each with its correct answer."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import attrs
import numpy as np

from tests.support.paths import MODELS
from tests.support.traffic.clients import Arrays, texts

_FLOATS = (1, 16, 16, 1000, 10_000)
_MANY_FLOATS = (1, 16, 1000, 10_000, 100_000, 1_000_000)
_WORDS = (1, 3, 30, 300)


@attrs.frozen
class Talk:
    """The requests of one model and their correct answers."""

    model: str
    target: str
    requests: tuple[Arrays, ...]
    expected: Callable[[Arrays], Arrays]
    """The outputs by name."""

    def ask(self) -> Arrays:
        """A random request."""
        return random.choice(self.requests)

    def right(self, inputs: Arrays, result: Any) -> bool:
        """Whether a result of ``tritonclient`` has the expected outputs; results of ``life`` are not checked."""
        wanted = self.expected(inputs)
        return all(np.array_equal(result.as_numpy(name), array) for name, array in wanted.items())


def _floats(sizes: tuple[int, ...]) -> tuple[Arrays, ...]:
    return tuple({"x": np.arange(size, dtype=np.float32)[None] + place} for place, size in enumerate(sizes))


def _words(count: int) -> Arrays:
    words = [f"{number} ä" * (number % 7) for number in range(count)]
    return {"raw": texts(*words), "text": texts(*words)}


def _strings(inputs: Arrays) -> Arrays:
    raw, text = inputs["raw"][0], inputs["text"][0]
    return {
        "raw": texts(*(item[::-1] for item in raw)),
        "text": texts(*(item.decode().upper() for item in text)),
        "lengths": np.array([[len(item.decode()) for item in text]], np.int32),
    }


TALKS = (
    Talk("life", "life.py", ({"what": texts(""), "gate": texts("/-")},), lambda inputs: {}),
    Talk("doubled", "forms.py:doubled", _floats(_FLOATS), lambda inputs: {"y": inputs["x"] * 2}),
    Talk("Awaited", "forms.py:Awaited", _floats(_FLOATS), lambda inputs: {"y": inputs["x"] * 3}),
    Talk("back", "lent.py:back", _floats(_MANY_FLOATS), lambda inputs: {"y": inputs["x"]}),
    Talk("strings", "kinds.py:strings", tuple(_words(count) for count in _WORDS), _strings),
)
TARGETS = tuple(f"{MODELS}/{each.target}" for each in TALKS)
