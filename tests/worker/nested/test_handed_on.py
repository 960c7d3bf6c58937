"""What a call has of the requests of its batch, and what their failures are."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from typing import Any

import numpy as np

from pytriton_plugins import Context, Tensor, infer_func
from pytriton_plugins.errors import ModelCallError, RequestError
from pytriton_plugins.model.infer_func import declaration_of
from pytriton_plugins.shm.details import Detail
from pytriton_plugins.shm.segment import Segment
from pytriton_plugins.testing.served import open_channel
from pytriton_plugins.worker.calling.errors import RequestFailure

X, Y = [Tensor("x", np.float32, (-1,))], [Tensor("y", np.float32, (-1,))]
ONE = {"x": np.ones((1, 4), np.float32)}


def opened(marked: Any, **models: Any) -> Any:
    declaration = declaration_of(marked)
    assert declaration is not None
    return open_channel(declaration, marked, models=models)


def test_a_request_that_runs_alone_hands_on_its_own_id_and_timeout() -> None:
    @infer_func(inputs=X, outputs=Y, name="caller")
    def call(x: Any, ctx: Context) -> Any:
        y = ctx.models["called"](x=x)["y"]
        if len(x) > 1:
            raise ValueError("together")
        return y

    with opened(call, called=lambda x: {"y": x}) as channel:
        for details in ([Detail("a", timeout=4_000_000), Detail("b")], [Detail("c"), Detail("d", timeout=4_000_000)]):
            answered = channel.send(ONE, ONE, details=details)
            assert all(isinstance(outcome, Mapping) for outcome in answered.outcomes)
        seen = [(call.id, bool(call.timeout)) for call in channel.called.calls]
    assert seen == [("a", False), ("a", True), ("b", False), ("c", False), ("c", False), ("d", True)]


def test_after_a_call_was_cancelled_no_request_runs_alone() -> None:
    rows = []

    @infer_func(inputs=X, outputs=Y, name="caller")
    def call(x: Any, ctx: Context) -> Any:
        rows.append(len(x))
        return ctx.models["called"](x=x)["y"]

    with opened(call, called=RequestError("no client waits", "CANCELLED")) as channel:
        failure = RequestFailure("CANCELLED", "call of model 'called': no client waits")
        assert channel.send(ONE, ONE).outcomes == [failure] * 2
    assert rows == [2]


def test_the_first_call_segment_names_the_response_segment_of_then() -> None:
    @infer_func(inputs=X, outputs=Y, name="caller")
    def call(x: Any, ctx: Context) -> Any:
        called = ctx.models["called"]
        return called(x=x)["y"] if x.size < 9 else np.ones((1, x.size), np.float32)

    replaced: list[int] = []
    with opened(call, called=lambda x: {"y": x}) as channel:
        granted = channel.request_call_segment

        def request_call_segment(size: int, number: int) -> Segment:
            replaced.append(number)
            return granted(size, number)  # type: ignore[no-any-return]

        channel.request_call_segment = request_call_segment
        for size in (1 << 16, 1 << 18, 4):
            channel.send({"x": np.ones((1, size), np.float32)})
        assert replaced == [channel._response.number]


def test_an_error_of_a_call_crosses_to_another_process() -> None:
    error = ModelCallError("m", "UNAVAILABLE", "too late")
    error.__dict__["seen"] = 1
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), vars(copy)) == (ModelCallError, str(error), vars(error))
