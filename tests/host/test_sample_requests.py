"""The sample requests below the table of `serve`: each works as printed, and their length is limited."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pytriton_plugins.host.sample_requests import MAX_LINE, calls, example_call
from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.model.tensors import Tensor
from pytriton_plugins.testing import RunningHost, run_host
from pytriton_plugins.values import Ports
from tests.support.paths import MODELS
from tests.support.traffic.curl import path_with_curl

PORTS = Ports(8000, 8001, 8002)

ANSWERS = {
    "scalar": "()",
    "grid": "2x2",
    "free": "3x3",
    "mixed": "2 3",
    "words": "2x2",
    "named": "() 2",
    "half": "2",
    "brain": "3",
    "large_brain": "64",
    "image": "3x224x224",
    "video": "8x108x192x3 ()",
    "pair": "(3, 64, 64) (3, 64, 64)",
    "streamed": "64x64",
}


def declared(*inputs: Tensor, name: str = "m", max_batch_size: int = 8) -> ModelDeclaration:
    outputs = (Tensor("y", np.float32, ()),)
    return ModelDeclaration(name, 1, "function", name, inputs, outputs, max_batch_size)


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningHost, dict[str, list[str]]]]:
    """A host for every ten models (it prints samples for ten), and the samples of each model."""
    targets = [f"{MODELS / 'sampled.py'}:{name}" for name in ANSWERS]
    with run_host(*targets[:7]) as one, run_host(*targets[7:]) as other:
        yield one, {**blocks(one), **blocks(other)}


def blocks(host: RunningHost) -> dict[str, list[str]]:
    host.wait_settled()
    (_, *shown) = host.output.partition("\nHTTP ")[2].rstrip("\n").split("\n\n")
    return {
        name: block.splitlines()
        for block in shown
        for name in ANSWERS
        if f"/models/{name}/" in block or f" infer {name} " in block
    }


@pytest.mark.parametrize("model", ANSWERS)
def test_each_line_works(lines: tuple[RunningHost, dict[str, list[str]]], model: str, tmp_path: Path) -> None:
    """In a shell, in an empty folder, with this environment's programs on the path."""
    env = {**os.environ, "PATH": path_with_curl(tmp_path)}
    shown = lines[1][model]
    for line in shown:
        assert len(line) <= MAX_LINE
        done = subprocess.run(line, shell=True, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stderr) == (0, ""), line
        assert ANSWERS[model] in done.stdout or line.startswith("python "), line
    assert sum(line.startswith("pytriton-host infer ") for line in shown) == (model != "large_brain")
    assert sum("curl -s" in line for line in shown) == (model != "streamed")


@pytest.mark.parametrize(
    "declaration",
    [
        declared(Tensor("x", np.float32, (64, 3, 1080, 1920))),
        declared(Tensor("x", np.int8, (2**63 - 1,) * 2)),
        declared(Tensor("x", str, (1000,))),
        declared(*(Tensor(f"x{number}", np.float32, ()) for number in range(9))),
        declared(Tensor("x" * 100_000, np.float32, ())),
        declared(Tensor("x=1", np.float32, ())),
    ],
    ids=["1.6 GB", "2**126", "texts", "nine inputs", "a long name", "an equals sign"],
)
def test_a_sample_request_that_does_not_fit_is_replaced_by_a_hint(declaration: ModelDeclaration) -> None:
    """Inputs that do not fit in a line get a hint instead of sample requests."""
    hint = "# m: its inputs do not fit in a line; this lists them: pytriton-host infer m"
    assert calls(declaration, "127.0.0.1", PORTS) == [hint]


def test_an_array_of_a_few_values_stands_in_the_line() -> None:
    """The free dimension is 3, and the batch axis is written where each program needs it."""
    declaration = declared(Tensor("x", np.float32, (-1,)), Tensor("id", np.int64, (2, 2)))
    assert calls(declaration, "127.0.0.1", PORTS) == [
        "pytriton-host infer m x=1,2,3 'id=[[1, 2], [3, 4]]'",
        "curl -s http://127.0.0.1:8000/v2/models/m/infer -d '"
        '{"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 3], "data": [1, 2, 3]}, '
        '{"name": "id", "datatype": "INT64", "shape": [1, 2, 2], "data": [1, 2, 3, 4]}]}' + "'",
    ]


def test_scalars_stand_in_the_lines_without_brackets() -> None:
    """Scalars have no brackets, and optional inputs are left out."""
    declaration = declared(
        Tensor("x", np.float32, ()), Tensor("said", str, ()), Tensor("scale", np.float32, (), optional=True)
    )
    assert calls(declaration, "127.0.0.1", PORTS) == [
        "pytriton-host infer m x=1 said=hello",
        "curl -s http://127.0.0.1:8000/v2/models/m/generate -d '" + '{"x": 1, "said": "hello"}' + "'",
    ]


def test_equal_arrays_share_a_file() -> None:
    """Equal arrays share one file: 64 * 64 bytes, and another one of four times that."""
    pair = [Tensor(name, np.uint8, (64, 64)) for name in ("left", "right")]
    maker, ours, curl = calls(declared(*pair, Tensor("depth", np.float32, (64, 64))), "127.0.0.1", PORTS)
    first, second = "'input.npy', np.zeros((64, 64), np.uint8)", "'input2.npy', np.zeros((64, 64), np.float32)"
    assert maker == f'python -c "import numpy as np; np.save({first}); np.save({second})"'
    assert ours == "pytriton-host infer m left=@input.npy right=@input.npy depth=@input2.npy"
    assert "; tail -c 4096 input.npy; tail -c 4096 input.npy; tail -c 16384 input2.npy; }" in curl


def test_an_image_comes_from_a_file() -> None:
    """An array of 3 * 224 * 224 floats (4 bytes each) is read from a file."""
    declaration = declared(Tensor("image", np.float32, (3, 224, 224)), max_batch_size=0)
    head = (
        '{"inputs":[{"name":"image","datatype":"FP32","shape":[3,224,224],"parameters":{"binary_data_size":602112}}]}'
    )
    assert calls(declaration, "10.0.0.1", PORTS) == [
        "python -c \"import numpy as np; np.save('input.npy', np.zeros((3, 224, 224), np.float32))\"",
        "pytriton-host infer m image=@input.npy --url 10.0.0.1:8001",
        f"{{ printf %s '{head}'; tail -c 602112 input.npy; }} | curl -s http://10.0.0.1:8000/v2/models/m/infer "
        f"-H 'Inference-Header-Content-Length: 108' --data-binary @-",
    ]
    assert example_call(declaration) == []


def test_bfloat16_without_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """`infer` cannot make bfloat16 without ml_dtypes; curl sends its bits from a file."""
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    from pytriton_plugins.model.tensors import bfloat16

    bfloat16.cache_clear()
    maker, curl = calls(declared(Tensor("x", "bfloat16", (2,))), "127.0.0.1", PORTS)
    bfloat16.cache_clear()
    assert "np.zeros((2,), np.uint16)" in maker
    assert "tail -c 4 input.npy" in curl


def test_the_program_is_named_as_it_was_called(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A program that is not on the path is named with its path, as in README.md's first command."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".venv/bin").mkdir(parents=True)
    (tmp_path / ".venv/bin/pytriton-host").touch(0o755)
    monkeypatch.setattr(sys, "argv", [".venv/bin/pytriton-host", "serve"])
    maker, ours, _ = calls(declared(Tensor("x", np.int8, (20,))), "127.0.0.1", PORTS)
    assert maker.startswith('.venv/bin/python -c "')
    assert ours == ".venv/bin/pytriton-host infer m x=@input.npy"
