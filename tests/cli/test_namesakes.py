"""Files in the working directory or beside a model with the names of modules that daemon and workers need."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.sandbox.command import call_host

MODEL = """
import multiprocessing
import subprocess
import numpy as np
from helper import twice
from pytriton_plugins import Tensor, infer_func


@infer_func(inputs=[Tensor("x", np.float32, (-1,))], outputs=[Tensor("y", np.float32, (-1,))])
def doubled(x):
    return twice(x)
"""
ANY_PORTS = ("--http-port=0", "--grpc-port=0", "--metrics-port=0")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory: a model, its helper module, and files that must not be imported instead of modules."""
    (tmp_path / "model.py").write_text(MODEL)
    (tmp_path / "colorsys.py").write_text(MODEL)
    (tmp_path / "helper.py").write_text("def twice(x):\n    return x * 2\n")
    for name in ("subprocess.py", "click.py", "attrs.py", "numpy/__init__.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("raise RuntimeError('the wrong one')\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("here", [True, False])
def test_check_imports_a_model_that_has_such_neighbours_and_names_them(
    folder: Path, monkeypatch: pytest.MonkeyPatch, here: bool
) -> None:
    if not here:
        monkeypatch.chdir("/")
    done = call_host("check", str(folder / "model.py"), str(folder / "colorsys.py"), *ANY_PORTS)
    assert f"ok   plugin {folder / 'model.py'}: doubled version 1" in done.stdout
    assert f"bad  plugin {folder / 'colorsys.py'}: import: there is a module" in done.stdout
    for name, file in (("numpy", "numpy"), ("subprocess", "subprocess.py")):
        (note,) = [line for line in done.stderr.splitlines() if f"is hidden by the module {name} (" in line]
        assert note.startswith(f"plugin {folder / 'model.py'}: {folder / file} is hidden by")
        assert note.endswith("; rename it to import it")


def test_the_program_starts_as_a_module_beside_such_files(folder: Path) -> None:
    command = [sys.executable, "-m", "pytriton_plugins", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
