"""Random tensors of every dtype and shape, sent through a whole daemon and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from pytriton_plugins.testing import RunningHost
from tests.support.number_kinds import KINDS
from tests.support.traffic.clients import PROTOCOLS, infer

RANDOM = settings(max_examples=120, deadline=None, derandomize=True)


@st.composite
def numbers(draw: st.DrawFn) -> NDArray[Any]:
    """One to eight rows of pairs, any bits."""
    dtype = np.dtype(draw(st.sampled_from(KINDS)))
    shape = (draw(st.integers(1, 8)), draw(st.integers(0, 40) | st.sampled_from([1000, 20_000])), 2)
    if dtype.kind == "b" or shape[1] > 40:
        return np.resize(np.random.default_rng(shape[1]).integers(0, 2, 64), shape).astype(dtype)
    return draw(arrays.arrays(dtype, shape, elements=arrays.from_dtype(dtype)))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_numbers(host: RunningHost, protocol: str) -> None:

    @RANDOM
    @given(numbers())
    def there_and_back(array: NDArray[Any]) -> None:
        name = array.dtype.name
        answer = infer(host, protocol, "mirror", {name: array}, outputs=[name])[name]
        assert (answer.dtype, answer.shape) == (array.dtype, array.shape)
        assert answer.tobytes() == array[:, ::-1].tobytes()

    there_and_back()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_strings(host: RunningHost, protocol: str) -> None:

    @RANDOM
    @given(st.lists(st.binary(max_size=60), max_size=20), st.lists(st.text(max_size=30), max_size=20))
    def there_and_back(raw: list[bytes], text: list[str]) -> None:
        sent = {"raw": row(raw), "text": row([item.encode() for item in text])}
        answer = infer(host, protocol, "strings", sent)
        assert answer["raw"].tolist() == [[item[::-1] for item in raw]]
        assert answer["text"].tolist() == [[item.upper().encode() for item in text]]
        assert answer["lengths"].tolist() == [[len(item) for item in text]]

    there_and_back()


def row(items: list[bytes]) -> NDArray[Any]:
    array = np.empty((1, len(items)), object)
    array[0] = items
    return array
