"""Random outputs, batch after batch over one channel: each response is the callable's result."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pytriton_plugins import Context, RequestError, Tensor
from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.shm.details import Detail
from pytriton_plugins.testing.channel import Answered
from pytriton_plugins.testing.served import open_channel
from pytriton_plugins.worker.calling.errors import RequestFailure

Array = NDArray[Any]
OUTPUTS = (Tensor("y", np.float32, (-1,)), Tensor("z", np.float32, (-1,)))
MODEL = ModelDeclaration("m", 1, "function", "m", (Tensor("x", np.float32, (-1,)),), OUTPUTS, context="ctx")
NO_MEMORY = RequestFailure("UNAVAILABLE", "no more memory")


class Step(NamedTuple):
    """One batch: the rows of its requests, and what the callable does with it."""

    rows: list[int]
    columns: int
    sources: tuple[str, str]
    scratch: int
    keeps: str
    does: str
    is_full: bool


SOURCES = ("own", "list", "empty", "on a boundary", "beside one", "every other", "input", "kept before", "first output")
steps = st.builds(
    Step,
    rows=st.lists(st.integers(1, 3), min_size=1, max_size=3),
    columns=st.sampled_from([1, 16, 17, 5000, 9000]),
    sources=st.tuples(st.sampled_from(SOURCES), st.sampled_from(SOURCES)),
    scratch=st.sampled_from([0, 0, 1, 100, 20_000]),
    keeps=st.sampled_from(["", "", "", "y", "z", "x", "a view"]),
    does=st.sampled_from(["", "", "", "raise", "raise together", "fail", "set"]),
    is_full=st.booleans(),
)


class Model:
    """Does what the step says; remembers its results, and that arrays which it keeps must not change."""

    def __init__(self) -> None:
        self.step: Any = None
        self.returned: dict[str, dict[str, Array]] = {}
        self.kept: list[tuple[Array, Array]] = []

    def __call__(self, x: Array, ctx: Context) -> dict[str, Any]:
        step = self.step
        if step.scratch:
            ctx.empty("y", (step.scratch,))[...] = -1
        outputs: dict[str, Any] = {}
        for name, source in zip("yz", step.sources, strict=True):
            outputs[name] = self._made(ctx, name, source, x, outputs.get("y"))
        for request in ctx.requests:
            self.returned[request.id] = {name: np.array(value)[request.rows] for name, value in outputs.items()}
        self._keep(x if step.keeps in ("x", "a view") else outputs.get(step.keeps))
        if step.does == "raise" or (step.does == "raise together" and len(ctx.requests) > 1):
            raise RequestError("as told")
        if step.does == "fail":
            ctx.requests[-1].fail("as told")
        if step.does == "set":
            ctx.requests[-1].set("id", ctx.requests[-1].id)
        return outputs

    def _made(self, ctx: Context, name: str, source: str, x: Array, first: Any) -> Any:
        rows, columns = x.shape
        values = np.asarray(x + np.float32(ord(name)))
        if source == "list":
            return values[:, :17].tolist()
        if source == "input":
            return x
        if source == "first output" and first is not None:
            return first
        if source == "kept before":
            return next((old for old, _ in self.kept[::-1] if old.shape[0] == rows), values)
        if source == "empty":
            out = ctx.empty(name, (rows, columns))
        elif source == "every other":
            out = ctx.empty(name, (rows, 2 * columns))[:, ::2]
        elif source in ("on a boundary", "beside one"):
            start = 32 if source == "on a boundary" else 1
            out = ctx.empty(name, (start + rows * columns,))[start:].reshape(rows, columns)
        else:
            return values
        out[...] = values
        return out

    def _keep(self, array: Any) -> None:
        if isinstance(array, np.ndarray):
            array = array[:, :1] if self.step.keeps == "a view" else array
            self.kept.append((array, array.copy()))


def check(model: Model, answered: Answered) -> None:
    last = len(answered.outcomes) - 1
    for place, outcome in enumerate(answered.outcomes):
        if isinstance(outcome, RequestFailure):
            no_memory = model.step.is_full and outcome == NO_MEMORY
            has_failed = model.step.does == "raise" or (model.step.does == "fail" and place == last)
            # Called alone, each request is the last of its batch.
            assert no_memory or (has_failed and outcome.message == "as told"), outcome
            continue
        for name, expected in model.returned[str(place)].items():
            np.testing.assert_array_equal(outcome[name], expected)
    wanted = [last] if model.step.does == "set" and not isinstance(answered.outcomes[last], RequestFailure) else []
    assert [each.request for each in answered.parameters] == wanted
    for array, expected in model.kept:
        np.testing.assert_array_equal(array, expected)


@settings(
    max_examples=250,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(st.lists(steps, min_size=2, max_size=8), st.integers(1, 3))
def test_every_answer_is_what_was_returned(steps: list[Step], times: int) -> None:
    """Each step is repeated, so that the worker uses its fast path."""
    model = Model()
    number = 0
    with open_channel(MODEL, model) as channel:
        for step in steps:
            model.step = step
            for _ in range(times):
                requests = []
                for rows in step.rows:
                    x = np.arange(number, number + rows * step.columns, dtype=np.float32)
                    requests.append({"x": x.reshape(rows, step.columns)})
                    number += 1
                channel.is_full = step.is_full
                details = [Detail(str(place)) for place in range(len(requests))]
                check(model, channel.send(*requests, details=details))
