"""Callables of this process, attached to a daemon that runs already."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pytriton_plugins import Tensor
from pytriton_plugins.script.attach import attach
from pytriton_plugins.testing import RunningHost, run_host
from tests.support.traffic.clients import infer

X, Y = Tensor("x", np.float32, (-1,)), Tensor("y", np.float32, (-1,))

PLUGIN = """
import numpy as np
from pytriton_plugins import Tensor, infer_func


@infer_func(inputs=[Tensor("x", np.float32, (-1,))], outputs=[Tensor("y", np.float32, (-1,))])
def plugged(x):
    return x
"""


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("run")


@pytest.fixture(scope="module")
def host(run_dir: Path) -> Iterator[RunningHost]:
    """One daemon for all tests that leave it as it was."""
    (run_dir / "plugged.py").write_text(PLUGIN)
    with run_host(run_dir / "plugged.py", options=["--allow=attach", f"--run-dir={run_dir}"]) as host:
        yield host


def call(host: RunningHost, model: str, *values: float) -> list[float]:
    outputs = infer(host, "grpc", model, {"x": np.array([values], np.float32)})
    result: list[float] = outputs["y"].ravel().tolist()
    return result


def test_a_closure_answers_with_the_objects_of_this_process(host: RunningHost, run_dir: Path) -> None:
    scale = {"by": 2.0}
    model = attach(run_dir, lambda x: x * scale["by"], name="scaled", inputs=[X], outputs=[Y])
    model.ready()
    assert call(host, "scaled", 1, 2) == [2, 4]
    scale["by"] = 3.0
    assert call(host, "scaled", 1, 2) == [3, 6]
    model.remove()
