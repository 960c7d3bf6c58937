"""Results of calls that a callable returns unchanged: they stay where they are, unless calls go on."""

from __future__ import annotations

import contextlib
import gc
import os
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pytriton_plugins import Context, Tensor, infer_func
from pytriton_plugins.errors import ModelCallError
from pytriton_plugins.model.infer_func import declaration_of
from pytriton_plugins.testing.served import ServedChannel, open_channel

X, Y = [Tensor("x", np.float32, (-1,))], [Tensor("y", np.float32, (-1,))]
LARGE = 1 << 13
"""Elements: arrays of up to 16 KiB are copied anyway."""


def double(x: Any) -> dict[str, Any]:
    return {"y": 2 * x}


def opened(body: Callable[..., Any], outputs: Any = Y, models: Any = None) -> Any:
    marked = infer_func(inputs=X, outputs=outputs, name="caller")(body)
    declaration = declaration_of(marked)
    assert declaration is not None
    return open_channel(declaration, marked, models=models or {"double": double})


def answered(channel: ServedChannel, value: float, size: int = LARGE) -> tuple[list[float], int]:
    """The first element of each output, and how many outputs were not copied."""
    (outputs,) = channel.send({"x": np.full((1, size), value, np.float32)}).outcomes
    assert isinstance(outputs, dict), outputs
    assert all((array == array[0, 0]).all() and array.shape == (1, size) for array in outputs.values())
    return [array[0, 0].item() for array in outputs.values()], channel.given_back


def array(x: Any, ctx: Context) -> Any:
    return ctx.models["double"](x=x)["y"]


def in_a_dict(x: Any, ctx: Context) -> Any:
    return {"y": ctx.models["double"](x=x)["y"]}


def whole(x: Any, ctx: Context) -> Any:
    """What the call returns."""
    return ctx.models["double"](x=x)


def changed(x: Any, ctx: Context) -> Any:
    """In place, by nothing."""
    y = ctx.models["double"](x=x)["y"]
    y += 0
    return y


@pytest.mark.parametrize("body", [array, in_a_dict, whole, changed])
def test_the_second_answer_of_a_form_is_not_copied(body: Any) -> None:
    with opened(body) as channel:
        assert [answered(channel, value) for value in (1, 2, 3, 4)] == [([2], 0), ([4], 1), ([6], 1), ([8], 1)]
        assert answered(channel, 5, LARGE * 8) == ([10], 0)  # in a new segment
        assert [answered(channel, value, LARGE * 8) for value in (6, 7)] == [([12], 1), ([14], 1)]
        assert len({call.area for call in channel.called.calls}) == 2


def test_a_result_an_input_and_a_new_array_in_one_answer() -> None:
    def body(x: Any, ctx: Context) -> Any:
        doubled = ctx.models["double"](x=x)["y"]
        return {"y": doubled, "z": x, "w": doubled * 2, "v": doubled}

    outputs = [*Y, Tensor("z", np.float32, (-1,)), Tensor("w", np.float32, (-1,)), Tensor("v", np.float32, (-1,))]
    with opened(body, outputs) as channel:
        found = [answered(channel, value) for value in (1, 2, 3)]
    assert found == [([2, 1, 4, 2], 0), ([4, 2, 8, 4], 3), ([6, 3, 12, 6], 3)]


@pytest.mark.parametrize(
    "view",
    [
        lambda y: y[:, 1:],  # not at a multiple of 64 bytes
        lambda y: np.repeat(y, 2, axis=1)[:, ::2],
        lambda y: y[:, ::2],
    ],
)
def test_views_that_are_not_the_outputs_bytes_are_copied(view: Any) -> None:
    def body(x: Any, ctx: Context) -> Any:
        return view(ctx.models["double"](x=x)["y"])

    with opened(body) as channel:
        for value in (1, 2, 3):
            (outputs,) = channel.send({"x": np.full((1, LARGE), value, np.float32)}).outcomes
            assert ((outputs["y"] == 2 * value).all(), channel.given_back) == (True, 0)


def test_results_that_are_kept_stay_as_they_were() -> None:
    """The next batch has another segment."""
    kept: list[Any] = []

    def body(x: Any, ctx: Context) -> Any:
        y = ctx.models["double"](x=x)["y"]
        if x[0, 0] % 2:
            kept.append(y)
        return {"z": x + 1, "y": y}

    with opened(body, [*Y, Tensor("z", np.float32, (-1,))]) as channel:
        found = [answered(channel, value) for value in range(6)]
    assert [each for each, _ in found] == [[2 * value, value + 1] for value in range(6)]
    assert [given_back for _, given_back in found] == [0, 1, 1, 1, 1, 1]
    assert [(each[0, 0], each[0, -1]) for each in kept] == [(2, 2), (6, 6), (10, 10)]


def test_results_at_changing_places_stay_there() -> None:
    sizes = iter([LARGE * 4, 4, 100, 1000])

    def body(x: Any, ctx: Context) -> Any:
        before = ctx.models["double"](x=np.zeros((1, next(sizes)), np.float32))
        if len(before["y"][0]) > LARGE:
            del before  # room for all later calls in one segment
        return ctx.models["double"](x=x)["y"]

    with opened(body) as channel:
        found = [(answered(channel, value), channel.entries[0].offset) for value in (1, 2, 3, 4)]
    assert [each for each, _ in found] == [([2], 0), ([4], 1), ([6], 1), ([8], 1)]
    assert len({offset for _, offset in found[1:]}) == 3


def test_a_result_of_an_earlier_batch_is_copied() -> None:
    kept: list[Any] = []

    def body(x: Any, ctx: Context) -> Any:
        kept.append(ctx.models["double"](x=x)["y"])
        return kept[0]

    with opened(body) as channel:
        assert [answered(channel, value) for value in range(1, 6)] == [([2], 0)] * 5


def test_while_another_thread_calls_results_are_copied() -> None:
    release = threading.Event()
    threads: list[threading.Thread] = []
    refused: list[str] = []

    def slow(x: Any) -> dict[str, Any]:
        started.set()
        release.wait(60)
        return {"y": x}

    def body(x: Any, ctx: Context) -> Any:
        def call() -> None:
            try:
                ctx.models["slow"](x=x[:, :4])
            except (ModelCallError, RuntimeError) as error:
                refused.append(type(error).__name__)

        if x[0, 0] == 1:
            ctx.models["double"](x=np.repeat(x, 4, axis=1))  # room for all later calls in one segment
        y = ctx.models["double"](x=x)["y"]
        if x[0, 0] == 3:
            threads.append(threading.Thread(target=call))
            threads[0].start()
            started.wait(60)
        return y

    started = threading.Event()
    with opened(body, models={"double": double, "slow": slow}) as channel:
        found = [answered(channel, value) for value in (1, 2, 3, 4)]
        threads[0].join()
        release.set()
    assert found == [([2], 0), ([4], 1), ([6], 0), ([8], 1)]
    assert refused == ["ModelCallError"]


def test_an_awaited_callable_has_its_results_copied() -> None:
    async def body(x: Any, ctx: Context) -> Any:
        return (await ctx.models["double"].call(x=x))["y"]

    with opened(body) as channel:
        assert [answered(channel, value) for value in (1, 2, 3)] == [([2], 0), ([4], 0), ([6], 0)]


def waited_for(x: Any, ctx: Context) -> Any:
    return ctx.models["double"](x=x)["y"]


async def awaited(x: Any, ctx: Context) -> Any:
    return (await ctx.models["double"].call(x=x))["y"]


@pytest.mark.parametrize("body", [waited_for, awaited])
def test_a_channel_that_has_ended_keeps_no_segment(body: Any) -> None:
    gc.collect()
    before = segments()
    gc.disable()
    try:
        with opened(body) as channel:
            assert answered(channel, 1)[0] == [2]
            assert segments() - before
        del channel
        assert segments() <= before
    finally:
        gc.enable()


def segments() -> set[str]:
    """The descriptors of segments that this process has open."""
    found = []
    for descriptor in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # that of the folder
            if "pytriton-segment" in os.readlink(f"/proc/self/fd/{descriptor}"):
                found.append(descriptor)
    return set(found)
