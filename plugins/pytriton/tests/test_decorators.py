"""The decorators, called as a server calls them and without one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pytriton.decorators import (
    ConstantPadder,
    batch,
    fill_optionals,
    first_value,
    get_inference_request_batch_size,
    group_by_keys,
    group_by_values,
    pad_batch,
    sample,
    triton_context,
)
from pytriton.exceptions import PyTritonBadParameterError, PyTritonRuntimeError, PyTritonValidationError
from pytriton.model_config import DynamicBatcher, ModelConfig, Tensor
from pytriton.proxy.types import Request
from pytriton.serving.current import called
from pytriton.serving.model import BoundModel, bound_model


def requests(*inputs: dict[str, Any]) -> list[Request]:
    return [Request({name: np.array(value, np.float32) for name, value in each.items()}) for each in inputs]


def lists(results: Any) -> Any:
    return [{name: array.tolist() for name, array in each.items()} for each in results]


def model(config: ModelConfig | None = None) -> BoundModel:
    inputs = [Tensor((-1,), np.float32, "x"), Tensor((1,), np.float32, "p", optional=True)]
    return bound_model("m", 1, lambda: None, inputs, [Tensor((-1,), np.float32, "y")], config, False)


def test_batch_joins_the_rows_of_requests_and_gives_each_its_own_back() -> None:
    seen = []

    @batch
    def doubled(x: Any) -> Any:
        seen.append(x.tolist())
        return {"y": x * 2}

    assert lists(doubled(requests({"x": [[1], [2]]}, {"x": [[3]]}))) == [{"y": [[2], [4]]}, {"y": [[6]]}]
    assert seen == [[[1], [2], [3]]]


def test_batch_reads_each_result_of_a_generator() -> None:
    @batch
    def counted(x: Any) -> Any:
        yield {"y": x}
        yield {"y": x + 1}

    assert [lists(each) for each in counted(requests({"x": [[1]]}, {"x": [[5]]}))] == [
        [{"y": [[1]]}, {"y": [[5]]}],
        [{"y": [[2]]}, {"y": [[6]]}],
    ]


def test_a_list_of_outputs_has_the_names_of_the_bound_model() -> None:
    listed = batch(lambda x: [x])
    with called(model()):
        assert lists(listed(requests({"x": [[1]]}))) == [{"y": [[1]]}]
    with pytest.raises(PyTritonValidationError, match="return a dict"):
        listed(requests({"x": [[1]]}))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda x: [x, x], "got 2 outputs, expected 1"),
        (lambda x: x, "expected a dict or a list of arrays, got ndarray"),
        (lambda x: {"y": x[:1]}, "expected 2 rows"),
        (lambda x: {"y": [1, 2]}, "expected a numpy array, got list"),
    ],
)
def test_batch_refuses_a_wrong_result(wrong: Callable[..., Any], message: str) -> None:
    with called(model()), pytest.raises(PyTritonValidationError, match=message):
        batch(wrong)(requests({"x": [[1], [2]]}))


def test_batch_refuses_requests_of_different_inputs() -> None:
    with pytest.raises(PyTritonValidationError, match="@group_by_keys"):
        batch(lambda **inputs: {})(requests({"x": [[1]]}, {"p": [[1]]}))


def test_decorators_work_on_methods_and_keep_the_name() -> None:
    class Model:
        by = 3

        @batch
        def times(self, x: Any) -> Any:
            """Text."""
            return {"y": x * self.by}

    assert lists(Model().times(requests({"x": [[1]]}))) == [{"y": [[3]]}]
    assert (Model.times.__name__, Model.times.__doc__) == ("times", "Text.")


def test_batch_awaits_a_coroutine() -> None:
    @batch
    async def doubled(x: Any) -> Any:
        return {"y": x * 2}

    assert lists(asyncio.run(doubled(requests({"x": [[1]]})))) == [{"y": [[2]]}]


def test_sample_gets_the_arrays_of_the_only_request() -> None:
    assert lists(sample(lambda x: {"y": x})(requests({"x": [1, 2]}))) == [{"y": [1, 2]}]


def test_group_by_keys_calls_once_for_the_same_inputs_and_keeps_the_order() -> None:
    calls = []

    @group_by_keys
    def grouped(requests: Any) -> Any:
        calls.append([sorted(each.keys()) for each in requests])
        return [{"y": next(iter(each.values()))} for each in requests]

    given = requests({"x": [[1]]}, {"x": [[2]], "p": [[0]]}, {"x": [[3]]})
    assert lists(grouped(given)) == [{"y": [[1]]}, {"y": [[2]]}, {"y": [[3]]}]
    assert calls == [[["x"], ["x"]], [["p", "x"]]]


def test_group_by_values_calls_once_for_equal_rows() -> None:
    calls = []

    @batch
    @group_by_values("p")
    def grouped(x: Any, p: Any) -> Any:
        calls.append((x.tolist(), p.tolist()))
        return {"y": x * p}

    given = requests({"x": [[1], [2]], "p": [[3], [4]]}, {"x": [[5]], "p": [[3]]})
    assert lists(grouped(given)) == [{"y": [[3], [8]]}, {"y": [[15]]}]
    assert calls == [([[1], [5]], [[3], [3]]), ([[2]], [[4]])]


def test_group_by_values_knows_strings_and_pads_the_groups() -> None:
    @group_by_values("text", pad_fn=ConstantPadder(9))
    def grouped(text: Any) -> Any:
        return {"y": np.ones((len(text), len(text[0, 0])))}

    result = grouped(text=np.array([[b"ab"], [b"a"], [b"ab"]], object))
    assert result["y"].tolist() == [[1, 1], [1, 9], [1, 1]]


def test_first_value_is_a_scalar_or_the_first_row() -> None:
    take = {"squeezed": first_value("p"), "not": first_value("p", squeeze_single_values=False)}
    seen = {name: decorate(lambda x, p: p)(x=np.zeros(2), p=np.array([[3], [3]])) for name, decorate in take.items()}
    assert np.isscalar(seen["squeezed"])
    assert (seen["squeezed"], seen["not"].tolist()) == (3, [3])
    assert first_value("absent")(lambda x: x)(x=1) == 1


def test_first_value_of_each_request() -> None:
    class Model:
        @first_value("p")
        def values(self, requests: Any) -> Any:
            return [{"y": each["x"] * each["p"]} for each in requests]

    given = requests({"x": [[1], [2]], "p": [[3], [3]]}, {"x": [[5]], "p": [[7]]})
    assert lists(Model().values(given)) == [{"y": [[3], [6]]}, {"y": [[35]]}]


def test_the_batch_size_of_a_request() -> None:
    assert get_inference_request_batch_size({"x": np.zeros((3, 2))}) == 3


def test_first_value_refuses_rows_that_differ() -> None:
    values = np.array([[3], [4]])
    assert first_value("p", strict=False)(lambda p: p)(p=values) == 3
    with pytest.raises(PyTritonRuntimeError, match="the rows of p differ"):
        first_value("p")(lambda p: p)(p=values)


def test_pad_batch_repeats_the_last_row_up_to_the_next_size() -> None:
    seen = []

    @pad_batch
    def padded(x: Any) -> Any:
        seen.append(x.tolist())
        return {"y": x}

    config = ModelConfig(max_batch_size=6, batcher=DynamicBatcher(preferred_batch_size=[2, 4]))
    with called(model(config)):
        results = [padded(x=np.arange(rows)) for rows in (2, 3, 5)]
    assert seen == [[0, 1], [0, 1, 2, 2], [0, 1, 2, 3, 4, 4]]
    assert [each["y"].tolist() for each in results] == [[0, 1], [0, 1, 2], [0, 1, 2, 3, 4]]


def test_fill_optionals_gives_each_row_the_default() -> None:
    filled = fill_optionals(p=np.array([5], np.float32))(batch(lambda x, p: {"y": x + p}))
    with called(model()):
        given = requests({"x": [[1], [2]]}, {"x": [[3]], "p": [[0]]})
        assert lists(filled(given)) == [{"y": [[6], [7]]}, {"y": [[3]]}]


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("p", 5, "expected a numpy array, got int"),
        ("p", np.array([5]), "is int64, expected np.float32"),
        ("p", np.array([[5]], np.float32), r"has shape \(1, 1\), expected \(1,\)"),
        ("q", np.array([5], np.float32), "model m has no such input"),
    ],
)
def test_fill_optionals_refuses_a_value_that_is_not_declared(name: str, value: Any, message: str) -> None:
    with called(model()), pytest.raises(PyTritonBadParameterError, match=message):
        fill_optionals(**{name: value})(lambda requests: requests)(requests({"x": [[1]]}))


@pytest.mark.parametrize("decorate", [group_by_values("p"), pad_batch], ids=["group", "pad"])
def test_a_decorator_of_arrays_above_batch_says_where_it_belongs(decorate: Any) -> None:
    with called(model()), pytest.raises(PyTritonRuntimeError, match="put it below @batch"):
        decorate(batch(lambda x: {"y": x}))(requests({"x": [[1]]}))


def test_triton_context_has_the_bound_model() -> None:
    asked = triton_context(lambda requests, triton_context: triton_context.model_configs)
    with called(model()):
        (config,) = asked([]).values()
    assert (config.model_name, config.max_batch_size, config.inputs[1].optional) == ("m", 4, True)
    with pytest.raises(PyTritonValidationError, match="bind it first"):
        asked([])


def test_constant_padder_makes_shapes_equal() -> None:
    padded = ConstantPadder(7)([{"x": np.ones((1, 2))}, {"x": np.ones((2, 1))}])
    assert lists(padded) == [{"x": [[1, 1]]}, {"x": [[1, 7], [1, 7]]}]
    with pytest.raises(ValueError, match="number of dimensions"):
        ConstantPadder()([{"x": np.ones((1, 2))}, {"x": np.ones((1, 2, 1))}])
