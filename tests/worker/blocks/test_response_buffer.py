"""`ctx.empty`: output arrays that a callable gets directly in the response, over a real channel."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pytriton_plugins import Context, RequestError, Tensor
from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.testing.served import ServedChannel, open_channel
from pytriton_plugins.worker.calling.errors import RequestFailure

Array = NDArray[Any]
X = Tensor("x", np.float32, (-1,))
Y = Tensor("y", np.float32, (-1,))
Z = Tensor("z", np.float32, (-1,))
SCRATCH = 448
"""Where the next array comes behind one of 100 floats."""


def model(*outputs: Tensor) -> ModelDeclaration:
    return ModelDeclaration("m", 1, "function", "m", (X,), outputs or (Y,), context="ctx")


def numbers(*rows: list[float]) -> dict[str, Array]:
    return {"x": np.array(rows, np.float32)}


def wide(*rows: int, columns: int = 10_000) -> dict[str, Array]:
    """Enough outputs that the worker looks up where each one lies."""
    return {"x": np.array([np.arange(row, row + columns) for row in rows], np.float32)}


def arrays(channel: ServedChannel, *requests: dict[str, Array]) -> list[dict[str, Array]]:
    """The outputs of each request, all of which succeed."""
    outcomes = channel.send(*requests).outcomes
    for outcome in outcomes:
        assert not isinstance(outcome, RequestFailure), outcome
    return outcomes  # type: ignore[return-value]


def filled(ctx: Context, values: Any, name: str = "y") -> Array:
    out: Array = ctx.empty(name, np.shape(values))
    out[...] = values
    return out


def after_scratch(ctx: Context, values: Array) -> Array:
    ctx.empty("y", (1, 100))
    return filled(ctx, values)


def doubled_rows(ctx: Context, values: Array, width: int) -> Array:
    out: Array = ctx.empty("y", (2 * len(values), width))
    out[len(values) :, : values.shape[1]] = values
    return out[len(values) :, : values.shape[1]]


PLACES: dict[str, tuple[Callable[[Context, Array], Array], int]] = {
    "the only one": (filled, 0),
    "the first of two": (lambda ctx, x: (filled(ctx, x), ctx.empty("y", (1, 100)))[0], 0),
    "the second of two": (after_scratch, SCRATCH),
    "one of its own": (lambda ctx, x: (ctx.empty("y", (1, 100)), x.copy())[1], SCRATCH),
    "a view of all of it": (lambda ctx, x: after_scratch(ctx, x).reshape(-1).reshape(x.shape), SCRATCH),
    "the second half, on a boundary": (lambda ctx, x: doubled_rows(ctx, x, 16), 64),
    "the second half, beside a boundary": (lambda ctx, x: doubled_rows(ctx, np.ascontiguousarray(x), 17), 192),
    "every other column": (lambda ctx, x: filled(ctx, np.repeat(x, 2, axis=1))[:, ::2], 128),
    "turned around": (lambda ctx, x: filled(ctx, x[:, ::-1])[:, ::-1], 64),
    "a copy": (lambda ctx, x: filled(ctx, x).copy(), 64),
}
"""The result for 16 floats, and the position in the response that it must have."""


@pytest.mark.parametrize("what", PLACES)
def test_an_array_in_the_response_is_not_copied(what: str) -> None:
    """An array in the response is sent from where it lies, without a copy."""
    function, place = PLACES[what]
    with open_channel(model(), lambda x, ctx: function(ctx, x)) as channel:
        for start in range(4):
            values = numbers([start, *range(15)])
            assert arrays(channel, values)[0]["y"].tolist() == values["x"].tolist()
            assert [entry.offset for entry in channel.entries] == [place]
    assert channel.needs == []


OUTPUTS: dict[str, Callable[[Context, Array], Any]] = {
    "both": lambda ctx, x: {"y": filled(ctx, x), "z": filled(ctx, x * 2, "z")},
    "both, the other first": lambda ctx, x: {"z": filled(ctx, x * 2, "z"), "y": filled(ctx, x)},
    "one": lambda ctx, x: (filled(ctx, x), x * 2),
    "the other": lambda ctx, x: (x.copy(), filled(ctx, x * 2, "z")),
    "one asked for as the other": lambda ctx, x: (filled(ctx, x, "z"), filled(ctx, x * 2, "y")),
    "one, and an input that is given back": lambda ctx, x: (x, filled(ctx, x * 2, "z")),
    "one, and a list": lambda ctx, x: (filled(ctx, x), (x * 2).tolist()),
    "more than are used": lambda ctx, x: (min([filled(ctx, x + n) for n in range(3)], key=np.sum), x * 2),
    "one or the other in turn": lambda ctx, x: (filled(ctx, x), x * 2) if x[0, 0] % 2 else (x + 0, filled(ctx, x * 2)),
}


@pytest.mark.parametrize("columns", [1, 5000])
@pytest.mark.parametrize("what", OUTPUTS)
def test_several_outputs(what: str, columns: int) -> None:
    with open_channel(model(Y, Z), lambda x, ctx: OUTPUTS[what](ctx, x), size=1 << 18) as channel:
        for start in range(6):
            requests = wide(start, columns=columns), wide(start + 1, start + 2, columns=columns)
            for request, found in zip(requests, arrays(channel, *requests), strict=True):
                np.testing.assert_array_equal(found["y"], request["x"])
                np.testing.assert_array_equal(found["z"], request["x"] * 2)


def test_one_array_for_two_outputs() -> None:
    with open_channel(model(Y, Z), lambda x, ctx: (filled(ctx, x),) * 2) as channel:
        for start in range(3):
            (found,) = arrays(channel, numbers([start]))
            assert (found["y"].tolist(), found["z"].tolist()) == ([[start]], [[start]])
            assert [entry.offset for entry in channel.entries] == [0, 0]


def test_scalars_and_other_types() -> None:
    outputs = (Tensor("n", np.int64, ()), Tensor("b", bool, (2,)))

    def function(x: Array, ctx: Context) -> tuple[Array, Array]:
        return filled(ctx, [3] * len(x), "n"), filled(ctx, [[True, False]] * len(x), "b")

    with open_channel(model(*outputs), function) as channel:
        for _ in range(3):
            first, second = arrays(channel, numbers([1]), numbers([2], [3]))
            assert (first["n"].tolist(), second["n"].tolist()) == ([[3]], [[3], [3]])
            assert second["b"].tolist() == [[True, False]] * 2
            assert [entry.offset for entry in channel.entries] == [0, 64]


def test_arrays_of_no_size() -> None:
    def function(x: Array, ctx: Context) -> Array:
        return np.asarray(ctx.empty("y", (len(x), 0)))

    with open_channel(model(), function) as channel:
        for _ in range(3):
            assert arrays(channel, numbers([1]))[0]["y"].shape == (1, 0)


def test_an_array_larger_than_the_segment() -> None:
    """A larger segment replaces the old one during the call, and its content is copied."""

    def function(x: Array, ctx: Context) -> tuple[Array, Array]:
        small = filled(ctx, x)
        return small, filled(ctx, np.full((1, int(x[0, 0])), 7, np.float32), "z")

    with open_channel(model(Y, Z), function) as channel:
        for size in (10, 100_000, 10, 300_000, 100_000):
            (found,) = arrays(channel, numbers([size]))
            assert found["y"].tolist() == [[size]]
            np.testing.assert_array_equal(found["z"], np.full((1, size), 7, np.float32))
    assert len(channel.needs) == 2


@pytest.mark.parametrize("columns", [100, 100_000])
def test_an_array_without_room_lies_outside_the_segment(columns: int) -> None:
    """Without room in the segment the array lies outside it; only a response without room fails."""

    def function(x: Array, ctx: Context) -> Array:
        scratch = ctx.empty("y", (1, 100_000))
        scratch[...] = x[0, 0]
        return np.asarray(scratch[:, :columns])

    with open_channel(model(), function) as channel:
        channel.is_full = True
        for number in (1, 2, 3):
            (outcome,) = channel.send(numbers([number])).outcomes
            if columns == 100:
                assert not isinstance(outcome, RequestFailure)
                assert set(outcome["y"].ravel().tolist()) == {number}
            else:
                assert outcome == RequestFailure("UNAVAILABLE", "no more memory")
        channel.is_full = False
        np.testing.assert_array_equal(arrays(channel, numbers([4]))[0]["y"], np.full((1, columns), 4, np.float32))


def test_room_is_left_for_the_answer_to_each_request() -> None:
    """A large array leaves room for the responses of the other requests."""
    requests = [numbers([number]) for number in range(64)]
    whole = (1 << 16) - 256  # the array and the block of one request fit

    def function(x: Array, ctx: Context) -> Array:
        ctx.empty("y", (whole // 4,))
        return x + 1

    with open_channel(model(), function) as channel:
        channel.is_full = True
        found = arrays(channel, *requests)
    assert [each["y"].tolist() for each in found] == [[[number + 1]] for number in range(64)]


WRONG = [
    ("q", (1, 1), "empty('q', …): output 'q' is not declared; declared: y, t"),
    ("t", (1, 1), "empty('t', …): output 't' holds strings; return a list or an array instead"),
    ("y", (1, -1), "empty('y', (1, -1)): negative size; write a shape of sizes from 0 up"),
    ("y", (-1, -1), "empty('y', (-1, -1)): negative size; write a shape of sizes from 0 up"),
]


@pytest.mark.parametrize(("name", "shape", "message"), WRONG)
def test_a_wrong_name_or_shape_is_an_error(name: str, shape: tuple[int, ...], message: str) -> None:
    """A wrong name or shape raises ValueError with what to write."""
    errors = []

    def function(x: Array, ctx: Context) -> dict[str, Any]:
        with pytest.raises(ValueError, match="empty") as caught:
            ctx.empty(name, shape)
        errors.append(str(caught.value))
        return {"y": x, "t": [["t"]] * len(x)}

    with open_channel(model(Y, Tensor("t", str, (1,))), function) as channel:
        for number in range(2):
            assert arrays(channel, numbers([number]))[0]["y"].tolist() == [[number]]
    assert [error.startswith(message) for error in errors] == [True, True]
    assert channel.needs == []


def test_a_shape_that_no_memory_holds_is_an_error() -> None:
    def function(x: Array, ctx: Context) -> Array:
        return np.asarray(ctx.empty("y", (2**40, 2**40)))

    with open_channel(model(), function) as channel:
        channel.is_full = True
        (outcome,) = channel.send(numbers([1])).outcomes
        assert isinstance(outcome, RequestFailure)
        assert "array is too big" in outcome.message or "Maximum allowed" in outcome.message
        assert channel.needs == [2**82 + 144]


@pytest.mark.parametrize(
    "keep",
    [lambda out: out, lambda out: out[:, 1:], lambda out: out.T.view(np.int32)],
    ids=["whole", "columns", "another view"],
)
def test_kept_arrays_stay_as_they_were(keep: Callable[[Array], Array]) -> None:
    """Arrays that the callable keeps do not change; after three batches in a row they lie outside the response."""
    kept: list[Array] = []

    def function(x: Array, ctx: Context) -> Array:
        out = filled(ctx, x)
        kept.append(keep(out))
        return out

    with open_channel(model(), function) as channel:
        for number in range(6):
            assert arrays(channel, numbers([number, number + 1]))[0]["y"].tolist() == [[number, number + 1]]
    for number, array in enumerate(kept):
        np.testing.assert_array_equal(array, keep(np.array([[number, number + 1]], np.float32)))
    assert channel.needs == [1 << 16] * 3


def test_an_array_that_is_kept_now_and_then() -> None:
    kept: list[Array] = []

    def function(x: Array, ctx: Context) -> Array:
        out = filled(ctx, x)
        if x[0, 0] % 3 == 0:
            kept.append(out)
        return out

    with open_channel(model(), function) as channel:
        for number in range(15):
            assert arrays(channel, numbers([number]))[0]["y"].tolist() == [[number]]
            assert [entry.offset for entry in channel.entries] == [0]
    assert [array[0, 0] for array in kept] == [0, 3, 6, 9, 12]
    assert len(channel.needs) == 5


def test_kept_arrays_stay_where_they_are_while_there_is_no_memory(caplog: pytest.LogCaptureFixture) -> None:
    """Without more memory new arrays lie outside the segment, and kept ones do not change."""
    kept: list[Array] = []

    def function(x: Array, ctx: Context) -> Array:
        out = filled(ctx, x)
        if x[0, 0] < 3:
            kept.append(out)
        return out

    with open_channel(model(), function) as channel:
        channel.is_full = True
        for number in range(5):
            assert arrays(channel, numbers([number] * 100))[0]["y"].tolist() == [[number] * 100]
        assert [entry.offset for entry in channel.entries] == [SCRATCH]
        assert [array[0].tolist() for array in kept] == [[number] * 100 for number in range(3)]
        kept.clear()
        for number in (7, 8):
            assert arrays(channel, numbers([number] * 100))[0]["y"].tolist() == [[number] * 100]
        assert [entry.offset for entry in channel.entries] == [0]
    (line,) = caplog.messages
    assert line == "model m: the callable keeps arrays from ctx.empty(); later ones are copied: no more memory"


def test_an_array_of_a_batch_that_failed_is_no_part_of_the_answers() -> None:
    def function(x: Array, ctx: Context) -> Array:
        out = filled(ctx, x)
        if len(ctx.requests) > 1 or x[0, 0] < 0:
            raise RequestError("no")
        return out

    with open_channel(model(), function) as channel:
        for start in (1, 2):
            first, second, third = channel.send(numbers([start]), numbers([-1]), numbers([3], [4])).outcomes
            assert second == RequestFailure("INVALID_ARG", "no")
            assert not isinstance(first, RequestFailure)
            assert not isinstance(third, RequestFailure)
            assert (first["y"].tolist(), third["y"].tolist()) == ([[start]], [[3], [4]])
            assert [entry.offset for entry in channel.entries] == [64, 192]


def test_a_context_gives_and_takes_nothing_once_its_batch_is_answered() -> None:
    """A context whose batch has been answered cannot be used any more."""
    kept: list[Context] = []

    def function(x: Array, ctx: Context) -> Array:
        kept.append(ctx)
        return x

    with open_channel(model(), function) as channel:
        channel.send(numbers([1]))
        (ctx,) = kept
        late: list[Callable[[], Any]] = [
            lambda: ctx.empty("y", (1, 1)),
            lambda: ctx.requests[0].set("a", 1),
            lambda: ctx.requests[0].fail("a"),
        ]
        for call in late:
            with pytest.raises(RuntimeError, match="the batch of this Context is answered"):
                call()
        answered = channel.send(numbers([2]))
    assert answered.parameters == []
    assert not isinstance(answered.outcomes[0], RequestFailure)


def test_threads_of_a_callable_get_arrays_of_their_own() -> None:
    together = threading.Barrier(4)
    switch = sys.getswitchinterval()

    def ask(ctx: Context, name: str, number: int) -> Array:
        together.wait(60)
        out = filled(ctx, np.full((1, 16), number, np.float32), name)
        ctx.requests[0].set(name, number)
        return out

    outputs = [Tensor(f"o{number}", np.float32, (-1,)) for number in range(4)]
    with ThreadPoolExecutor(4) as pool:

        def function(x: Array, ctx: Context) -> dict[str, Array]:
            asked = {each.name: pool.submit(ask, ctx, each.name, int(each.name[1:])) for each in outputs}
            return {name: each.result(60) for name, each in asked.items()}

        with open_channel(model(*outputs), function) as channel:
            sys.setswitchinterval(1e-6)
            try:
                for _ in range(300):
                    answered = channel.send(numbers([1]))
                    (found,) = answered.outcomes
                    assert not isinstance(found, RequestFailure)
                    for number in range(4):
                        assert found[f"o{number}"].tolist() == [[number] * 16]
                    assert len({entry.offset for entry in channel.entries}) == 4
                    assert len(answered.parameters) == 4
            finally:
                sys.setswitchinterval(switch)
