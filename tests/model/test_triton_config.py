"""Valid and invalid keys of a `triton_config`, and the models for which a response cache would be wrong."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.model.tensors import Tensor
from pytriton_plugins.model.triton_config import config_problems
from pytriton_plugins.model.warmup import warmup_arrays

CACHED = {"response_cache": {"enable": True}}
SHAPE = (
    "Triton's response cache compares the bytes of an input and not its shape, and input x can have the same bytes as "
)


def declared(*inputs: Tensor, outputs: int = 1, max_batch_size: int = 64, **config: Any) -> ModelDeclaration:
    names = [Tensor(f"y{number}", np.float32, (-1, -1)) for number in range(outputs)]
    return ModelDeclaration(
        "m", 1, "function", "m", inputs, tuple(names), max_batch_size=max_batch_size, triton_config=config
    )


def x(*shape: int, name: str = "x", optional: bool = False) -> Tensor:
    return Tensor(name, np.float32, shape, optional=optional)


@pytest.mark.parametrize(
    "model",
    [
        declared(x()),
        declared(x(3, 4), x(2, name="y")),
        declared(x(3), x(-1, name="text")),  # x tells how many rows there are
        declared(x(-1), max_batch_size=1),
        declared(x(-1), max_batch_size=0),
        declared(x(-1, 3), x(-1, name="y"), max_batch_size=0),
        declared(x(3, optional=True), x(4, name="y", optional=True)),
    ],
)
def test_models_whose_answers_may_be_cached(model: ModelDeclaration) -> None:
    assert config_problems(replace(model, triton_config=CACHED)) == []


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        (declared(x(-1)), f"{SHAPE}[1, 2] and as [2, 1]; give it a shape that its bytes determine"),
        (declared(x(3, -1)), f"{SHAPE}[1, 3, 2] and as [2, 3, 1]"),
        (declared(x(-1, -1)), f"{SHAPE}[1, 1, 2] and as [1, 2, 1]"),
        (declared(x(-1, 5, -1), max_batch_size=0), f"{SHAPE}[1, 5, 2] and as [2, 5, 1]"),
        (declared(x(3, name="rows"), x(-1, -1)), f"{SHAPE}[1, 1, 2] and as [1, 2, 1]"),
        (declared(x(-1, -1), max_batch_size=1), f"{SHAPE}[1, 1, 2] and as [1, 2, 1]"),
        (declared(x(-1), x(3, name="rows", optional=True)), f"{SHAPE}[1, 2] and as [2, 1]"),
        (declared(x(3), outputs=2), "Triton's response cache does not look at which outputs a request asks for"),
    ],
)
def test_models_that_a_cache_would_answer_wrongly(model: ModelDeclaration, problem: str) -> None:
    assert config_problems(model) == []
    (found,) = config_problems(replace(model, triton_config=CACHED))
    assert found.startswith(problem)


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ({"instance_group": []}, "triton_config has 'instance_group', which the daemon writes itself; write workers=…"),
        (
            {"batch_input": []},
            "triton_config has 'batch_input', which is not supported: no such tensor would be added; remove it",
        ),
        ({"backend": "python"}, "triton_config has 'backend', which the daemon writes itself; remove it"),
        ({"responseCache": {}}, "triton_config has 'responseCache'; write 'response_cache'"),
        (
            {"sequence_batching": {}},
            "triton_config has 'sequence_batching', which the daemon writes itself; write sequence=… instead",
        ),
    ],
)
def test_keys_that_are_not_for_authors(config: dict[str, Any], problem: str) -> None:
    (found,) = config_problems(declared(x(3), **config))
    assert found.startswith(problem)


INPUTS = {"x": {"dims": [2, 5], "zero_data": True}}


@pytest.mark.parametrize(
    ("sample", "problem"),
    [
        ("zeros", "triton_config: model_warmup is not a list of samples; write ["),
        ({"inputs": INPUTS, "batch": 1}, "unknown key batch; the keys are name, batch_size, count, inputs"),
        ({"inputs": INPUTS, "batch_size": 65}, "batch_size is 65; write a whole number from 1 to 64"),
        ({"inputs": INPUTS, "count": 0}, "count is 0; write a whole number from 1 up"),
        ({}, 'it has no inputs; write "inputs": {"x": {'),
        ({"inputs": {}}, "input x is missing"),
        ({"inputs": {**INPUTS, "z": {}}}, "z is not an input; the inputs are x, y"),
        ({"inputs": {"x": 1}}, 'input x: it is not a table; write {"dims": [3], "zero_data": True}'),
        ({"inputs": {"x": {"zero_data": True}}}, "input x: dims is []; write lengths that fit [2, -1]"),
        ({"inputs": {"x": {**INPUTS["x"], "dims": [3, 5]}}}, "input x: dims is [3, 5]; write lengths that fit"),
        ({"inputs": {"x": {**INPUTS["x"], "dims": [2, -1]}}}, "input x: dims is [2, -1]; write lengths that fit"),
        ({"inputs": {"x": {"dims": [2, 5]}}}, "input x: write one of zero_data and random_data, with the value true"),
        ({"inputs": {"x": {**INPUTS["x"], "data_type": "TYPE_FP64"}}}, "input x: data_type is TYPE_FP64; write "),
        ({"inputs": {"x": {"dims": [2, 5], "input_data_file": "x"}}}, "input x: input_data_file is not supported; "),
    ],
)
def test_samples_with_mistakes(sample: Any, problem: str) -> None:
    model = declared(x(2, -1), x(name="y", optional=True), model_warmup=[sample])
    where = "" if isinstance(sample, str) else "triton_config: model_warmup: sample 1: "
    (found,) = config_problems(model)
    assert found.startswith(where + problem)


@pytest.mark.parametrize("kind", ["zero_data", "random_data"])
@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64, np.float16, np.float64, "bfloat16", str, bytes])
def test_arrays_of_a_sample(dtype: Any, kind: str) -> None:
    tensor = Tensor("x", dtype, (-1, 3))
    model = declared(tensor)
    sample = {"batch_size": 4, "inputs": {"x": {"dims": [200, 3], kind: True}}}
    assert config_problems(replace(model, triton_config={"model_warmup": [sample]})) == []
    array = warmup_arrays(model, sample)["x"]
    assert (array.shape, array.dtype, array.flags.writeable) == ((4, 200, 3), tensor.dtype.numpy, False)
    kinds = {type(item) for item in array.ravel().tolist()}
    assert kinds == {bytes} if tensor.dtype.python else bytes not in kinds
    assert (len(set(array.ravel().tolist())) > 1) == (kind == "random_data")
