"""Inputs that a callable keeps do not change in later calls: random calls of every form."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pytriton_plugins import Context, Request, Tensor, infer_func
from pytriton_plugins.model.infer_func import declaration_of
from pytriton_plugins.testing.served import open_channel

Array = NDArray[Any]
TENSORS: dict[str, Any] = {
    "inputs": [Tensor("x", np.float32, (-1,)), Tensor("names", str, (-1,))],
    "outputs": [Tensor("y", np.float32, (-1,))],
}


class Keeper:
    """Keeps the arrays that it is told to keep, beside copies made at once."""

    def __init__(self) -> None:
        self.kept: list[tuple[Array, Array]] = []
        self.how = "nothing"

    def look(self, x: Array, names: Array) -> Array:
        kept = {"nothing": [], "all": [x, names], "a part": [x[:, ::2]], "a view": [x.reshape(-1)[1:]]}[self.how]
        self.kept += [(array, array.copy()) for array in kept]
        return x if self.how == "a part" else x + 1

    def changed(self) -> int:
        return sum(not np.array_equal(array, copy) for array, copy in self.kept)


def plain(keeper: Keeper) -> Callable[..., Any]:
    @infer_func(**TENSORS)
    def model(x: Array, names: Array) -> Array:
        return keeper.look(x, names)

    return model


def in_context(keeper: Keeper) -> Callable[..., Any]:
    @infer_func(**TENSORS)
    def model(x: Array, names: Array, ctx: Context) -> Array:
        y: Array = ctx.empty("y", x.shape)
        y[...] = keeper.look(x, names)
        if keeper.how == "all":
            keeper.kept.append((y, y.copy()))
        return y

    return model


def awaited(keeper: Keeper) -> Callable[..., Any]:
    @infer_func(**TENSORS)
    async def model(x: Array, names: Array) -> Array:
        return keeper.look(x, names)

    return model


def yielded(keeper: Keeper) -> Callable[..., Any]:
    @infer_func(**TENSORS)
    def model(x: Array, names: Array) -> Iterator[Array]:
        for _ in range(2):
            yield keeper.look(x, names)

    return model


def yielded_async(keeper: Keeper) -> Callable[..., Any]:
    @infer_func(**TENSORS)
    async def model(x: Array, names: Array) -> AsyncIterator[Array]:
        for _ in range(2):
            yield keeper.look(x, names)

    return model


def one_by_one(keeper: Keeper) -> Callable[..., Any]:
    @infer_func(**TENSORS)
    def model(requests: list[Request]) -> list[Array]:
        return [keeper.look(request["x"], request["names"]) for request in requests]

    return model


CALL = st.tuples(
    st.sampled_from(["nothing", "nothing", "all", "a part", "a view"]),
    st.lists(st.tuples(st.integers(1, 3), st.sampled_from([1, 7, 5000])), min_size=1, max_size=3),
)


@pytest.mark.parametrize("form", [plain, in_context, awaited, yielded, yielded_async, one_by_one])
def test_kept_inputs_do_not_change(form: Callable[[Keeper], Any]) -> None:

    @settings(max_examples=40, deadline=None, derandomize=True, phases=[Phase.generate])
    @given(st.lists(CALL, min_size=1, max_size=12))
    def random_calls(calls: list[tuple[str, list[tuple[int, int]]]]) -> None:
        keeper = Keeper()
        model = form(keeper)
        declaration = declaration_of(model)
        assert declaration is not None
        with open_channel(declaration, model) as channel:
            for number, (keeper.how, shapes) in enumerate(calls):
                if declaration.streams or not declaration.takes_requests:
                    shapes = [(rows, shapes[0][1]) for rows, _ in shapes]
                requests = [request(rows, width, number) for rows, width in shapes]
                if declaration.streams:
                    answers: list[Any] = channel.send(requests[0]).parts
                    requests = [requests[0]] * 2
                else:
                    answers = channel.send(*requests).outcomes
                for sent, answer in zip(requests, answers, strict=True):
                    expected = sent["x"] if keeper.how == "a part" else sent["x"] + 1
                    assert isinstance(answer, dict)
                    np.testing.assert_array_equal(answer["y"], expected)
                assert keeper.changed() == 0

    random_calls()


def request(rows: int, width: int, number: int) -> dict[str, Array]:
    names = np.empty((rows, 1), object)
    names[:] = f"call {number}".encode()
    x = np.arange(rows * width, dtype=np.float32).reshape(rows, width) + number * 1000
    return {"x": x, "names": names}
