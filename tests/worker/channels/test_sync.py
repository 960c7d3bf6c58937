"""The worker's loop over a real channel: repeated batches, kept inputs, growing segments."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pytriton_plugins import RequestError, Tensor
from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.testing.channel import ChannelEnd
from pytriton_plugins.testing.served import open_channel
from pytriton_plugins.worker.calling.errors import RequestFailure

Array = NDArray[Any]
X = Tensor("x", np.float32, (-1,))
Y = Tensor("y", np.float32, (-1,))
Z = Tensor("z", np.int64, ())
S = Tensor("s", np.float32, (-1,))


def model(*outputs: Tensor, inputs: tuple[Tensor, ...] = (X,), max_batch_size: int = 64) -> ModelDeclaration:
    return ModelDeclaration("m", 1, "function", "m", inputs, outputs or (Y,), max_batch_size=max_batch_size)


def numbers(*rows: list[float]) -> dict[str, Array]:
    return {"x": np.array(rows, np.float32)}


def values(channel: ChannelEnd, *requests: dict[str, Array], output: str = "y") -> list[Any]:
    """The output of each request, or the text of its failure."""
    answered = channel.send(*requests)
    return [
        outcome.message if isinstance(outcome, RequestFailure) else outcome[output].tolist()
        for outcome in answered.outcomes
    ]


def test_batches_of_one_form_after_another() -> None:
    with open_channel(model(), lambda x: {"y": x + 1}) as channel:
        for start in range(5):
            requests = [numbers([start, 2]), numbers([3, start], [5, 6])]
            assert values(channel, *requests) == [[[start + 1, 3]], [[4, start + 1], [6, 7]]]


RESULTS: dict[str, tuple[tuple[Tensor, ...], Callable[[Array], Any]]] = {
    "dict": ((Y, Z), lambda x: {"y": x, "z": x[:, 0].astype(np.int64)}),
    "dict in another order": ((Y, S), lambda x: {"s": x[:, :1], "y": x}),
    "tuple": ((Y, Z), lambda x: (x, x[:, 0].astype(np.int64))),
    "scalars as clients get them": ((Y, Z), lambda x: {"y": x, "z": x[:, :1].astype(np.int64)}),
    "scalars in both shapes in turn": (
        (Y, Z),
        lambda x: (x, x[:, 0].astype(np.int64) if x[0, 0] % 2 else x[:, :1].astype(np.int64)),
    ),
    "array": ((Y,), lambda x: x),
    "an array that is not contiguous": ((Y,), lambda x: np.asfortranarray(np.vstack([x, x]))[: len(x)]),
    "list": ((Y,), lambda x: x.tolist()),
    "array or list in turn": ((Y,), lambda x: x if x[0, 0] % 2 else x.tolist()),
}


@pytest.mark.parametrize("form", RESULTS)
def test_every_form_of_result_again_and_again(form: str) -> None:
    outputs, function = RESULTS[form]
    with open_channel(model(*outputs), function) as channel:
        for start in range(4):
            answered = channel.send(numbers([start, 7], [8, 9]), numbers([6, 5]))
            first, second = answered.outcomes
            assert not isinstance(first, RequestFailure)
            assert not isinstance(second, RequestFailure)
            assert (first["y"].tolist(), second["y"].tolist()) == ([[start, 7], [8, 9]], [[6, 5]])
            if outputs[-1] is S:
                assert (first["s"].tolist(), second["s"].tolist()) == ([[start], [8]], [[6]])
            if outputs[-1] is Z:
                assert (first["z"].tolist(), second["z"].tolist()) == ([[start], [8]], [[6]])
            assert not answered.retired


def test_scalars_and_names_that_are_no_identifiers() -> None:
    inputs = (Tensor("images:0", np.float32, (), arg="images"), Tensor("scale", np.float32, (1,), optional=True))

    def function(images: Array, scale: Any = None) -> Array:
        assert images.ndim == 1
        return images if scale is None else images * scale[:, 0]

    with open_channel(model(Tensor("y", np.float32, ()), inputs=inputs), function) as channel:
        for number in range(3):
            images = np.array([[number], [2]], np.float32)
            scale = np.array([[2], [3]], np.float32)
            assert values(channel, {"images:0": images}) == [[[number], [2]]]
            assert values(channel, {"images:0": images, "scale": scale}) == [[[2 * number], [6]]]


def test_a_model_without_batch_axis() -> None:
    with open_channel(model(max_batch_size=0), lambda x: x * 2) as channel:
        for number in range(3):
            assert values(channel, {"x": np.array([number, 1], np.float32)}) == [[2 * number, 2]]


def test_a_callable_that_reshapes_its_input_in_place() -> None:

    def function(x: Array) -> Array:
        assert x.shape == (1, 4)
        total = x.sum(axis=1, keepdims=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            x.shape = (2, 2)
        return np.asarray(total)

    with open_channel(model(), function) as channel:
        for number in range(3):
            assert values(channel, numbers([number, 0, 0, 1])) == [[[number + 1]]]


def test_inputs_are_read_only() -> None:
    def function(x: Array) -> Array:
        x[0] = 0
        return x

    with open_channel(model(), function) as channel:
        for _ in range(3):
            (text,) = values(channel, numbers([1]))
            assert text.startswith("ValueError: assignment destination is read-only; inputs are read-only: write ")


def test_a_failure_between_good_batches() -> None:

    def function(x: Array) -> Array:
        if (x < 0).any():
            raise RequestError("negative", code="INVALID_ARG")
        return x

    with open_channel(model(), function) as channel:
        for sign in (1, -1, 1, -1, 1):
            expected = [[1]] if sign > 0 else "negative"
            assert values(channel, numbers([sign]), numbers([2])) == [expected, [[2]]]


def test_a_wrong_result_between_good_ones() -> None:
    def function(x: Array) -> Array:
        return x.astype(np.float64) if x[0, 0] < 0 else x

    wrong = "model 'm': output 'y' is an array of float64, expected np.float32; write .astype(np.float32)"
    with open_channel(model(), function) as channel:
        for number in (1, 2, -1, 3):
            assert values(channel, numbers([number])) == [[[number]] if number > 0 else wrong]


def test_rows_are_checked_in_every_batch() -> None:
    with open_channel(model(), lambda x: x[:1]) as channel:
        assert values(channel, numbers([1])) == [[[1]]]
        assert values(channel, numbers([2])) == [[[2]]]
        (text,) = values(channel, numbers([1], [2]))
        assert "has 1 rows, expected 2" in text


@pytest.mark.parametrize(
    "keep", [lambda x: x, lambda x: x[:, 1:], lambda x: x.T.view(np.int32)], ids=["whole", "columns", "another view"]
)
def test_kept_inputs_stay_as_they_were(keep: Callable[[Array], Array]) -> None:
    """Inputs that the callable keeps do not change; after three batches in a row it gets copies."""
    kept: list[Array] = []

    def function(x: Array) -> Array:
        kept.append(keep(x))
        return x

    with open_channel(model(), function) as channel:
        retired = [channel.send(numbers([number, number + 1])).retired for number in range(6)]
    assert retired == [True, True, True, False, False, False]
    expected = [keep(np.array([[number, number + 1]], np.float32)) for number in range(6)]
    for is_kept, wanted in zip(kept, expected, strict=True):
        np.testing.assert_array_equal(is_kept, wanted)


def test_an_input_that_is_kept_now_and_then() -> None:
    kept: list[Array] = []

    def function(x: Array) -> Array:
        if x[0, 0] % 4 == 0:
            kept.append(x)
        return x

    with open_channel(model(), function) as channel:
        for number in range(12):
            request = numbers([number]) if number % 3 else numbers([number, 0])
            answered = channel.send(request)
            assert answered.retired == (number % 4 == 0)
    assert [array[0, 0] for array in kept] == [0, 4, 8]


def test_more_forms_than_are_remembered() -> None:
    kept: list[Array] = []

    def function(x: Array) -> Array:
        if x[0, 0] < 0:
            kept.append(x)
        return x

    with open_channel(model(), function) as channel:
        for _ in range(2):
            for columns in range(1, 300):
                answered = channel.send(numbers(list(range(columns))))
                assert not answered.retired
                (outcome,) = answered.outcomes
                assert not isinstance(outcome, RequestFailure)
                assert outcome["y"].tolist() == [list(range(columns))]
        assert channel.send(numbers([-1])).retired
        channel.send(numbers([5]))
    assert kept[0].tolist() == [[-1]]


def test_more_shapes_of_answers_than_are_remembered() -> None:
    with open_channel(model(), lambda x: np.zeros((1, int(x[0, 0])), np.float32)) as channel:
        for columns in (*range(1, 100), *range(1, 100)):
            assert values(channel, numbers([columns])) == [[[0] * columns]]


def test_larger_and_smaller_answers_in_turn() -> None:

    def function(x: Array) -> Array:
        return np.full((1, int(x[0, 0])), x[0, 1], np.float32)

    with open_channel(model(), function, size=1 << 12) as channel:
        for size in (10, 10, 5000, 10, 5000, 100_000, 10, 100_000):
            (outcome,) = channel.send(numbers([size, size + 1])).outcomes
            assert not isinstance(outcome, RequestFailure)
            np.testing.assert_array_equal(outcome["y"], np.full((1, size), size + 1, np.float32))


LARGE = 10_000
"""Floats: enough that it is asked where an output lies."""


def large(*rows: int) -> dict[str, Array]:
    return {"x": np.array([np.arange(row, row + LARGE) for row in rows], np.float32)}


GIVEN_BACK: dict[str, tuple[Callable[[Array], Array], int]] = {
    "the input": (lambda x: x, 1),
    "a view of it": (lambda x: x.reshape(-1).reshape(x.shape), 1),
    "its first half": (lambda x: x[:, : LARGE // 2], 0),
    "turned around": (lambda x: x[:, ::-1], 0),
    "a new array": (lambda x: x + 1, 0),
    "a copy": (lambda x: x.copy(), 0),
}


@pytest.mark.parametrize("what", GIVEN_BACK)
def test_an_input_that_is_given_back_is_not_copied(what: str) -> None:
    """An input that is returned as an output is sent from where it lies."""
    function, given_back = GIVEN_BACK[what]
    with open_channel(model(), function) as channel:
        for start in range(4):
            requests = large(start), large(start + 1, start + 2)
            outcomes = channel.send(*requests).outcomes
            assert channel.given_back == (given_back if start else 0)
            for request, outcome in zip(requests, outcomes, strict=True):
                assert not isinstance(outcome, RequestFailure)
                np.testing.assert_array_equal(outcome["y"], function(request["x"]))


def test_the_input_or_a_new_array_in_turn() -> None:

    def function(x: Array) -> tuple[Array, Array]:
        return (x, x * 2) if x[0, 0] % 2 else (x * 3, x)

    with open_channel(model(Y, S), function) as channel:
        for start in range(8):
            (outcome,) = channel.send(large(start)).outcomes
            assert not isinstance(outcome, RequestFailure)
            first, second = function(large(start)["x"])
            np.testing.assert_array_equal(outcome["y"], first)
            np.testing.assert_array_equal(outcome["s"], second)
    assert channel.given_back == 1


def test_an_input_that_is_given_back_and_kept() -> None:
    kept: list[Array] = []

    def function(x: Array) -> Array:
        kept.append(x)
        return x

    with open_channel(model(), function) as channel:
        for start in range(6):
            (outcome,) = channel.send(large(start)).outcomes
            assert not isinstance(outcome, RequestFailure)
            np.testing.assert_array_equal(outcome["y"], large(start)["x"])
    for start, array in enumerate(kept):
        np.testing.assert_array_equal(array, large(start)["x"])


def test_text_in_and_out() -> None:
    declaration = model(Tensor("t", str, (1,)), inputs=(Tensor("s", bytes, (1,)),))

    def function(s: Array) -> Any:
        return [[item.decode().upper()] for item in s.ravel().tolist()]

    with open_channel(declaration, function) as channel:
        for word in (b"one", b"three", b"two"):
            request = {"s": np.array([[word]], object)}
            assert values(channel, request, output="t") == [[[word.upper()]]]
