"""`ModelClient`: samples and batches, names and positions, what is sent and what comes back."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pytriton.client import ModelClient
from pytriton.model_config.triton_model_config import TensorSpec
from pytriton_plugins.testing import RunningHost

ONE, TWO = np.array([1, 2], np.float32), np.array([3, 5], np.float32)


def floats(*values: Any) -> NDArray[np.float32]:
    return np.array(values, np.float32)


def ints(*values: Any) -> NDArray[np.int32]:
    return np.array(values, np.int32)


def test_a_sample_has_no_batch_axis(url: str) -> None:
    with ModelClient(url, "add_sub") as client:
        by_position = client.infer_sample(ONE, TWO)
        by_name = client.infer_sample(b=TWO, a=ONE)
    assert type(by_position) is dict
    for result in (by_position, by_name):
        assert {name: array.tolist() for name, array in result.items()} == {"sum": [4, 7], "difference": [-2, -3]}
        assert result["sum"].dtype == np.float32


def test_a_batch_keeps_its_axis(url: str) -> None:
    with ModelClient(url, "add_sub") as client:
        result = client.infer_batch(floats([1, 2], [3, 4]), floats([1, 1], [2, 2]))
    assert result["sum"].tolist() == [[2, 3], [5, 6]]


def test_a_model_without_batches_gets_samples_as_they_are(url: str) -> None:
    with ModelClient(url, "unbatched") as client:
        assert client.infer_sample(ONE)["y"].tolist() == [2, 4]
        assert not client.is_batching_supported


def test_an_optional_input_may_be_left_out(url: str) -> None:
    with ModelClient(url, "optional") as client:
        assert client.infer_sample(ints(1))["y"].tolist() == [1]
        assert client.infer_sample(x=ints(1), more=None)["y"].tolist() == [1]
        assert client.infer_sample(ints(1), ints(2))["y"].tolist() == [3]


@pytest.mark.parametrize(
    "text",
    [np.array([b"ab"]), np.array([b"ab"], object), np.array(["ab"]), ["ab"], np.char.encode(np.array(["ab"]), "utf-8")],
)
def test_text_in_every_form(url: str, text: Any) -> None:
    with ModelClient(url, "upper") as client:
        assert client.infer_sample(text)["y"].tolist() == [b"AB"]


def test_text_in_a_batch(url: str) -> None:
    with ModelClient(url, "upper") as client:
        assert client.infer_batch(np.char.encode([["a"], ["bcd"]], "utf-8"))["y"].tolist() == [[b"A"], [b"BCD"]]


def test_parameters_and_headers_reach_the_callable(url: str) -> None:
    parameters: dict[str, str | int | bool] = {"number": 7, "flag": True, "text": "x"}
    with ModelClient(url, "told") as client:
        result = client.infer_sample(ints(1), parameters=parameters, headers={"X-Team": "blue"})
        assert json.loads(result["got"][0])[0] == {**parameters, "x-team": "blue"}
        assert json.loads(client.infer_sample(ints(1))["got"][0]) == [{}, {}]
        assert json.loads(client.infer_sample(ints(1), headers={"x-team": 3})["got"][0])[0] == {"x-team": "3"}


@pytest.mark.parametrize(("version", "factor"), [(None, 3), ("3", 3), ("1", 1), (1, 1)])
def test_a_version_is_chosen(url: str, version: Any, factor: int) -> None:
    with ModelClient(url, "scaled", version) as client:
        assert client.infer_sample(ints(5))["y"].tolist() == [5 * factor]


def test_the_configuration_of_a_model(url: str) -> None:
    with ModelClient(url, "add_sub", lazy_init=False) as client:
        config = client.model_config
    assert (config.model_name, config.max_batch_size, config.batching, config.decoupled) == ("add_sub", 8, True, False)
    assert next(iter(config.inputs or ())) == TensorSpec("a", (-1,), np.float32)
    assert [spec.name for spec in config.outputs or ()] == ["sum", "difference"]


def test_the_configuration_may_be_given(url: str) -> None:
    with ModelClient(url, "add_sub") as first:
        given = first.model_config
    with ModelClient(url, "add_sub", model_config=given, ensure_model_is_ready=False) as client:
        assert client.model_config is given
        assert client.infer_sample(ONE, TWO)["sum"].tolist() == [4, 7]


def test_a_client_from_an_existing_one_outlives_it(url: str) -> None:
    with ModelClient(url, "scaled", "1", inference_timeout_s=50) as first:
        assert first.infer_sample(ints(5))["y"].tolist() == [5]
        second = ModelClient.from_existing_client(first)
    assert second.model_config is first.model_config
    with second:
        assert second.infer_sample(ints(6))["y"].tolist() == [6]


def test_waits(url: str) -> None:
    with ModelClient(url, "add_sub") as client:
        client.wait_for_server(timeout_s=60)
        client.wait_for_model(timeout_s=60)
        client.wait_for_model(timeout_s=0)  # asks once


def test_http_is_the_protocol_without_a_scheme(host: RunningHost) -> None:
    with ModelClient(host.http, "scaled") as client:
        assert client.infer_sample(ints(1))["y"].tolist() == [3]
