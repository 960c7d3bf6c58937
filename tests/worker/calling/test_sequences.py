"""The states of sequences in a worker: by the requests of a real channel, and dropped when they are idle."""

from __future__ import annotations

import gc
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pytriton_plugins import Context, Request, RequestError, Sequence, Tensor
from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.shm.details import Detail
from pytriton_plugins.testing import wait_until
from pytriton_plugins.testing.served import ServedChannel, open_channel
from pytriton_plugins.worker.calling import sequences
from pytriton_plugins.worker.calling.errors import RequestFailure
from pytriton_plugins.worker.calling.sequences import ChannelSequences, SequenceKeeper

X = Tensor("x", np.int64, (1,))
MODEL = ModelDeclaration("m", 1, "function", "m", (X,), (Tensor("sum", np.int64, (1,)),))
TEXT = Tensor("text", str, (1,))
ALONE = replace(MODEL, context="ctx", sequence=Sequence())
MANY = replace(MODEL, requests="requests", sequence=Sequence())
NO_STATE = (
    "model m: sequence {} has no state: its first request did not run, or it was idle for longer than max_idle (60 s); "
    "start it again (sequence_start)"
)


def add(x: Any, ctx: Context) -> Any:
    return _add(ctx.sequence.state, x)


def _add(state: dict[str, Any], x: Any) -> Any:
    state["sum"] = state.get("sum", 0) + x
    if (x < 0).any():
        raise RequestError("negative")
    return state["sum"]


def detail(sequence: int | str, flags: str = "") -> Detail:
    return Detail("", sequence, (), 0, "start" in flags, "end" in flags)


def send(channel: ServedChannel, *requests: tuple[int | str, str, int]) -> list[Any]:
    """The sum for each request of one batch: its sequence, its flags and its number; or the message of its error."""
    arrays = [{"x": np.array([[number]])} for _, _, number in requests]
    answered = channel.send(*arrays, details=[detail(sequence, flags) for sequence, flags, _ in requests])
    return [each.message if isinstance(each, RequestFailure) else each["sum"].item() for each in answered.outcomes]


def test_each_sequence_has_a_state_from_its_start_to_its_end() -> None:
    with open_channel(ALONE, add) as channel:
        assert send(channel, (1, "start", 1)) == [1]
        assert send(channel, ("a", "start", 10)) == [10]
        assert send(channel, (1, "", 2)) == [3]
        assert send(channel, ("a", "end", 10)) == [20]
        assert send(channel, ("a", "", 10)) == [NO_STATE.format("a")]
        assert send(channel, (1, "start", 5)) == [5]
        assert send(channel, (1, "end", 5)) == [10]
        assert send(channel, (2, "start end", 5)) == [5]


def test_an_error_leaves_the_state() -> None:
    with open_channel(ALONE, add) as channel:
        assert [send(channel, (1, "start", -1)), send(channel, (1, "", 2))] == [["negative"], [1]]


def test_requests_of_several_sequences_in_one_call() -> None:
    """Only the one without a state fails; the others are called once, for a second call would change their states."""
    calls = []

    def function(requests: list[Request]) -> list[Any]:
        calls.append([request.sequence.id for request in requests])
        return [_add(request.sequence.state, request["x"]) for request in requests]

    with open_channel(MANY, function) as channel:
        assert send(channel, (1, "start", 1), (2, "start", 2), ("c", "start", 3)) == [1, 2, 3]
        assert send(channel, (1, "", 1), (9, "", 2), ("c", "", 3)) == [2, NO_STATE.format(9), 6]
        assert send(channel, (1, "", 1), (2, "", -1)) == ["negative"] * 2
        assert send(channel, (1, "", 1), (2, "", 1)) == [4, 2]
    assert calls == [[1, 2, "c"], [1], ["c"], [1, 2], [1, 2]]


def test_a_list_of_requests_has_no_sequence_of_its_own() -> None:
    errors = []

    def function(requests: list[Request], ctx: Context) -> list[Any]:
        try:
            ctx.sequence  # noqa: B018
        except RuntimeError as error:
            errors.append(str(error))
        return [request["x"] for request in requests]

    with open_channel(replace(MANY, context="ctx"), function) as channel:
        send(channel, (1, "start", 1), (2, "start", 1))
        send(channel, (1, "", 1))
    assert errors == ["ctx.sequence: the call has several requests; use the sequence of each request"]


def test_a_model_without_sequences() -> None:
    with open_channel(replace(MODEL, context="ctx"), add) as channel:
        (message,) = send(channel, (1, "start", 1))
    assert "the model has no sequences; write @infer_func(…, sequence=Sequence())" in message


def test_a_request_that_does_not_decode_starts_its_sequence_all_the_same() -> None:
    def joined(text: Any, ctx: Context) -> Any:
        return _add(ctx.sequence.state, np.array([[len(text[0, 0])]]))

    with open_channel(replace(ALONE, inputs=(TEXT,)), joined) as channel:
        wrong, right = (np.array([[item]], object) for item in (b"\xff", b"abc"))
        (failed,) = channel.send({"text": wrong}, details=[detail(1, "start")]).outcomes
        assert isinstance(failed, RequestFailure)
        (answered,) = channel.send({"text": right}, details=[detail(1)]).outcomes
        assert isinstance(answered, dict)
        assert answered["sum"].item() == 3


@pytest.mark.parametrize("answers", ["stream", "async_stream", "async"])
def test_every_form_of_callable(answers: Any) -> None:
    def stream(x: Any, ctx: Context) -> Iterator[Any]:
        yield add(x, ctx)

    async def async_stream(x: Any, ctx: Context) -> AsyncIterator[Any]:
        yield add(x, ctx)

    async def awaited(x: Any, ctx: Context) -> Any:
        return add(x, ctx)

    function = {"stream": stream, "async_stream": async_stream, "async": awaited}[answers]
    with open_channel(replace(ALONE, answers=answers), function) as channel:
        for flags, total in (("start", 1), ("", 2), ("end", 3)):
            answered = channel.send({"x": np.array([[1]])}, details=[detail(7, flags)])
            (outputs,) = answered.parts or answered.outcomes
            assert isinstance(outputs, dict)
            assert outputs["sum"].item() == total
        (failed,) = channel.send({"x": np.array([[1]])}, details=[detail(7)]).outcomes
        assert isinstance(failed, RequestFailure)
        assert failed.message == NO_STATE.format(7)


def test_an_idle_state_is_dropped_and_one_in_use_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sequences, "SLACK", 0.01)
    monkeypatch.setattr(sequences, "LONGEST_WAIT", 0.05)
    states = SequenceKeeper("m", 0.05).new_channel()
    states.begin("idle", start=True)
    states.begin("used", start=True)
    states.end("idle", last=False)
    wait_until(lambda: len(states) == 1, what="the idle one is dropped")
    with pytest.raises(RequestError, match="sequence idle has no state"):
        states.begin("idle", start=False)
    assert states.begin("used", start=False) == {}


def test_a_state_is_kept_while_its_next_request_may_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """One of another sequence runs, or ran a moment ago."""
    monkeypatch.setattr(sequences, "SLACK", 1000.0)
    states = ChannelSequences(SequenceKeeper("m", 60))
    for sequence in (1, 2):
        states.begin(sequence, start=True)
    states.end(2, last=False)
    now = time.monotonic()
    states.expire(now + 1050, 0)
    assert len(states) == 2
    states.end(1, last=True)
    states.expire(now + 900, -150)  # idle since 50 s
    assert len(states) == 1
    states.expire(time.monotonic() + 1050, 0)
    assert len(states) == 0


def test_a_state_is_dropped_although_its_channel_is_always_in_use() -> None:
    states = ChannelSequences(SequenceKeeper("m", 60))
    for sequence in (1, 2):
        states.begin(sequence, start=True)
    states.end(2, last=False)
    states.expire(time.monotonic() + 60 + sequences.LONGEST_WAIT + sequences.SLACK, 60)
    assert len(states) == 1


def test_the_states_end_with_their_channel() -> None:
    class Held:
        live = 0

        def __init__(self) -> None:
            type(self).live += 1

        def __del__(self) -> None:
            type(self).live -= 1

    def hold(x: Any, ctx: Context) -> Any:
        ctx.sequence.state["held"] = Held()
        return x

    with open_channel(ALONE, hold) as channel:
        send(channel, (1, "start", 1))
        assert Held.live == 1
    del channel
    gc.collect()
    assert Held.live == 0
