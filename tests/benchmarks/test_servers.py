"""All compared servers serve the same tensors, each with its own model file."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from benchmarks.calls.servers import TIMED_CALLS
from benchmarks.floor_host import loopback
from benchmarks.loads import LOADS
from benchmarks.servers.models import OF_OUR_CALLS, OF_THE_SOAK, OF_THE_TABLE, Model, add_subs
from benchmarks.servers.python_backend import write_model
from pytriton_plugins.discovery.resolve import resolve

MODELS = [
    *OF_THE_TABLE.models,
    *OF_THE_SOAK.models,
    *OF_OUR_CALLS.models,
    *add_subs(1).models,
    Model("faulty", "faulty"),
]


@pytest.mark.parametrize("model", dict.fromkeys(MODELS), ids=lambda model: model.kind)
def test_our_model_has_the_tensors_that_the_others_are_told(model: Model, tmp_path: Path) -> None:
    target = tmp_path / f"{model.name}.py"
    target.write_text(model.source("ours").read_text())
    shutil.copy(TIMED_CALLS, tmp_path)
    ((_, declaration),) = resolve(str(target))
    assert declaration.name == model.name
    for tensors, names in ((declaration.inputs, model.inputs), (declaration.outputs, model.outputs)):
        assert [tensor.name for tensor in tensors] == list(names)
        assert {(tensor.dtype.triton, tensor.shape) for tensor in tensors} == {(model.data_type, (-1,))}


def test_the_floor_has_them_too() -> None:
    for model in OF_THE_TABLE.models:
        declaration = loopback(model.data_type, model.name)
        assert [tensor.dtype.triton for tensor in (*declaration.inputs, *declaration.outputs)] == [model.data_type] * 2


def test_the_python_backend_is_told_of_strings(tmp_path: Path) -> None:
    write_model(tmp_path / "strings", OF_THE_TABLE.models[1])
    assert (tmp_path / "strings" / "config.pbtxt").read_text().count("data_type: TYPE_STRING, dims: [-1]") == 2


def test_every_load_has_its_model() -> None:
    assert {load.model for load in LOADS} == set(OF_THE_TABLE.names)
