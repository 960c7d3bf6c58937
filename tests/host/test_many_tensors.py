"""Models of many tensors: the size of a declaration and the number of requested outputs have no limit of their own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc
import tritonclient.http
from numpy.typing import NDArray

from pytriton_plugins.testing import RunningHost, run_host
from tests.support.paths import MODELS
from tests.support.traffic.clients import PROTOCOLS, texts

COUNT, LONG = 600, "x" * 200
"""As in the models' module."""


@pytest.fixture(scope="module")
def host() -> Iterator[RunningHost]:
    with run_host(MODELS / "wide.py") as running:
        yield running


def asked(host: RunningHost, protocol: str, model: str, numbers: list[int], wanted: list[int], **more: Any) -> Any:
    """Send the numbered features, two rows each; ``wanted``: the numbers of the requested outputs, empty for all."""
    module: Any = {"grpc": tritonclient.grpc, "http": tritonclient.http}[protocol]
    arrays: dict[str, NDArray[Any]] = {
        f"feature_{LONG}_{number}": np.array([[number], [1]], np.float32) for number in numbers
    }
    inputs = []
    for name, array in {**arrays, **more}.items():
        inputs.append(module.InferInput(name, array.shape, "BYTES" if array.dtype == object else "FP32"))
        inputs[-1].set_data_from_numpy(array)
    outputs = [module.InferRequestedOutput(f"result_{LONG}_{number}") for number in wanted]
    with module.InferenceServerClient(getattr(host, protocol)) as client:
        return client.infer(model, inputs, outputs=outputs or None)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_all_of_many_tensors(host: RunningHost, protocol: str) -> None:
    """Inputs sent in the reverse order of the declaration."""
    result = asked(host, protocol, "wide", [*range(COUNT)][::-1], [], label=texts("a", "b").reshape(2, 1))
    for number in range(COUNT):
        assert result.as_numpy(f"result_{LONG}_{number}").tolist() == [[2 * number], [2]]
    assert result.as_numpy("label").ravel().tolist() == [b"a", b"b"]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("model", ["wide", "wide_one_by_one"])
def test_some_of_many_outputs(host: RunningHost, protocol: str, model: str) -> None:
    label = {"label": texts("a", "b").reshape(2, 1)} if model == "wide" else {}
    result = asked(host, protocol, model, [0, 63, 64, 599], [599, 0, 64], **label)
    got = {number: result.as_numpy(f"result_{LONG}_{number}") for number in (0, 63, 64, 65, 599)}
    assert {number: y.tolist() for number, y in got.items() if y is not None} == {
        0: [[0], [2]],
        64: [[128], [2]],
        599: [[1198], [2]],
    }
