"""Calls like an earlier one, which take a shorter path: what differs between them must still differ."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import numpy as np

from pytriton_plugins import Context, Tensor, infer_func
from pytriton_plugins.errors import ModelCallError
from pytriton_plugins.model.infer_func import declaration_of
from pytriton_plugins.shm.details import Detail
from pytriton_plugins.shm.segment import Segment
from pytriton_plugins.testing.channel import new_segment
from pytriton_plugins.testing.served import open_channel
from pytriton_plugins.worker.nested.memory import CallMemory

X, Y = [Tensor("x", np.float32, (-1,))], [Tensor("y", np.float32, (-1,))]
KEPT: list[Any] = []


def double(x: Any) -> dict[str, Any]:
    return {"y": 2 * x}


@infer_func(inputs=X, outputs=Y, name="caller")
def caller(x: Any, ctx: Context) -> Any:
    """Calls with equal shapes, whose results live together."""
    results = [ctx.models["double"](x=x + np.float32(step))["y"] for step in range(4)]
    return np.concatenate(results, axis=1)


@infer_func(inputs=X, outputs=Y, name="keeper")
def keeper(x: Any, ctx: Context) -> Any:
    KEPT.append(ctx.models["double"](x=x)["y"])
    return x


@infer_func(inputs=X, outputs=Y, name="threads")
def threads(x: Any, ctx: Context) -> Any:
    """Each thread calls many times, and looks at its own results."""
    wrong = []

    def call(number: float) -> None:
        for step in range(50):
            value = np.full((1, 4), number + step, np.float32)
            if not (ctx.models["double"](x=value)["y"] == 2 * value).all():
                wrong.append(number)

    running = [threading.Thread(target=call, args=(1000.0 * n,)) for n in range(4)]
    for each in running:
        each.start()
    for each in running:
        each.join()
    return np.full(x.shape, len(wrong), np.float32)


@infer_func(inputs=X, outputs=Y, name="kinds")
def kinds(x: Any, ctx: Context) -> Any:
    """Inputs of one name and shape: numbers, texts, and what is neither."""
    values = [np.array(["a"], object), np.array([None], object), np.array(["b"], object), x[0, :1], 7]
    return np.array([[isinstance(call(ctx, value), str) for value in values]], np.float32)


def call(ctx: Context, value: Any) -> Any:
    try:
        return ctx.models["double"](x=value)
    except ModelCallError as error:
        return str(error)


def sent(channel: Any, value: float, **details: Any) -> Any:
    (outputs,) = channel.send({"x": np.full((1, 2), value, np.float32)}, details=[Detail(**details)]).outcomes
    assert isinstance(outputs, Mapping)
    return outputs["y"]


def opened(marked: Any) -> Any:
    declaration = declaration_of(marked)
    assert declaration is not None
    return open_channel(declaration, marked, models={"double": double})


def test_equal_calls_have_inputs_and_results_of_their_own() -> None:
    with opened(caller) as channel:
        for value in (1, 5, 9):
            found = sent(channel, value)
            assert found.tolist() == [[2 * (value + step) for step in range(4) for _ in range(2)]]
        assert len({call.inputs[0].offset for call in channel.called.calls}) == 4


def test_equal_calls_hand_on_the_id_and_the_timeout_of_their_request() -> None:
    with opened(caller) as channel:
        for details in ({"id": "a"}, {"id": "a", "timeout": 5_000_000}, {"id": "b"}, {"id": "b"}, {"id": ""}):
            sent(channel, 1, **details)
        calls = channel.called.calls[::4]
    assert [call.id for call in calls] == ["a", "a", "b", "b", ""]
    assert [call.timeout > 0 for call in calls] == [False, True, False, False, False]


def test_inputs_of_the_same_shape_are_checked_each_time() -> None:
    with opened(kinds) as channel:
        for _ in range(2):
            assert sent(channel, 1).tolist() == [[0, 1, 0, 0, 0]]
        assert [call.inputs[0].dtype for call in channel.called.calls] == [13, 13, 11, 9] * 2


def test_results_that_are_kept_stay_as_they_were() -> None:
    KEPT.clear()
    with opened(keeper) as channel:
        for value in range(6):
            sent(channel, value)
    assert [array.tolist() for array in KEPT] == [[[2.0 * value] * 2] for value in range(6)]


def test_threads_get_their_own_results() -> None:
    with opened(threads) as channel:
        for _ in range(3):
            assert not sent(channel, 1).any()


class OneSegment:
    """Grants segments of one size, also for responses."""

    def __init__(self) -> None:
        self.segment = new_segment(1024)

    def request_call_segment(self, size: int, replaced: int) -> Segment:
        return new_segment(1024)


def test_a_region_is_only_used_again_where_there_is_room() -> None:
    memory = CallMemory(OneSegment(), OneSegment())
    whole = memory.take(64, 960)
    whole.release()
    assert memory.again(64, 960) is whole
    whole.release()
    small = memory.take(64, 64)
    assert memory.again(64, 960) is None
    small.release()
    assert memory.again(64, 960) is whole
