"""What a worker can import of a program, and what the others are told."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pytriton_plugins import Tensor, infer_func
from pytriton_plugins.errors import DiscoveryError
from pytriton_plugins.script.targets import import_path, installed, target_of

Array = NDArray[Any]
X, Y = Tensor("x", np.float32, (-1,)), Tensor("y", np.float32, (-1,))


@infer_func(inputs=[X], outputs=[Y])
def doubled(x: Array) -> Array:
    return x * 2


@infer_func(inputs=[X], outputs=[Y])
class Tripled:
    def __call__(self, x: Array) -> Array:
        return x * 3


named = infer_func(name="negated", inputs=[X], outputs=[Y])(lambda x: -x)


def closure() -> object:
    @infer_func(inputs=[X], outputs=[Y])
    def inner(x: Array) -> Array:
        return x

    return inner


def target(served: object) -> str:
    return target_of(served, installed(), "do that")


def test_paths_and_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path is the same in every folder."""
    assert target("acme.model:add") == "acme.model:add"
    assert target(Path("/a/model.py")) == "/a/model.py"
    monkeypatch.chdir(tmp_path)
    assert target("model.py:add") == f"{tmp_path}/model.py:add"


def test_a_file_that_workers_do_not_find_by_a_name() -> None:
    assert target(doubled) == f"{__file__}:doubled"
    assert target(Tripled) == f"{__file__}:Tripled"
    assert target(named) == f"{__file__}:named"


def test_an_installed_module() -> None:
    from pytriton_plugins_add_sub import add_sub

    assert target(add_sub) == "pytriton_plugins_add_sub:add_sub"
    assert target(sys.modules[add_sub.__module__]) == "pytriton_plugins_add_sub"


def test_a_module_of_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its name where workers look into the folder, or where it is a part of a package."""
    (tmp_path / "loose_of_folder").mkdir()
    (tmp_path / "package_of_folder").mkdir()
    for name in ("loose_of_folder/part.py", "package_of_folder/__init__.py", "package_of_folder/part.py"):
        (tmp_path / name).touch()
    monkeypatch.syspath_prepend(tmp_path)
    loose = importlib.import_module("loose_of_folder.part")
    assert target(loose) == str(tmp_path / "loose_of_folder/part.py")
    assert target_of(loose, import_path(), "") == "loose_of_folder.part"
    assert target(importlib.import_module("package_of_folder.part")) == "package_of_folder.part"


def test_the_running_program(tmp_path: Path) -> None:
    """A script names its own file; without a file there is nothing to import."""
    program = (
        "from pytriton_plugins import Tensor, infer_func\n"
        "from pytriton_plugins.script.targets import import_path, target_of\n"
        "@infer_func(inputs=[Tensor('x', str, ())], outputs=[Tensor('y', str, ())])\n"
        "def kept(x): return x\n"
        "print(target_of(kept, import_path(), 'do that'))\n"
    )
    (tmp_path / "program.py").write_text(program)

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, *command], capture_output=True, text=True, check=False, cwd=tmp_path)

    assert run("program.py").stdout == f"{tmp_path / 'program.py'}:kept\n"
    assert run("-m", "program").stdout == "program:kept\n"
    line = "DiscoveryError: kept is not in a file, and a worker cannot import it; write it into one, or do that\n"
    assert run("-c", program).stderr.endswith(line)


@pytest.mark.parametrize(
    ("served", "message"),
    [
        (len, "len is not marked; write @infer_func above it"),
        (lambda x: x, "<lambda> is not marked; write @infer_func above it"),
        (object(), "an object of type object is not marked; write @infer_func above it"),
        (
            closure(),
            "closure.<locals>.inner has no name at the top of its file, and a worker cannot import it; define it there",
        ),
        (
            Tripled(),
            "an object of type Tripled is in this process only, and a worker cannot import it; pass its class",
        ),
        (ModuleType("__main__"), "module __main__ is not in a file"),
    ],
    ids=["unmarked", "lambda", "object", "closure", "object of a marked class", "program without a file"],
)
def test_what_a_worker_cannot_import(served: object, message: str) -> None:
    with pytest.raises(DiscoveryError) as refused:
        target(served)
    assert str(refused.value).removeprefix("test_what_a_worker_cannot_import.") == f"{message}, or do that"


def test_a_module_that_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, __name__, ModuleType(__name__))
    with pytest.raises(DiscoveryError, match="doubled has no name at the top of its file"):
        target(doubled)
