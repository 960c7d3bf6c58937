"""Workers that start one after the other: waiting ones are shown, and a crash of many workers uses the queue too."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pytriton_plugins.host.control.client import find_host
from pytriton_plugins.testing import RunningHost, run_host, wait_until
from tests.support.sandbox.leftovers import Mark

MODEL = """
import os
from pathlib import Path

import numpy as np
from pytriton_plugins import Tensor, infer_func

HERE = Path(__file__).parent
with (HERE / "begun").open("a") as file:
    file.write("x")
while not (HERE / "go").exists():
    pass  # it computes, or its turn would be over


@infer_func(inputs=[Tensor("x", np.int64, ())], outputs=[Tensor("y", np.int64, ())], workers=4)
def NAME(x):
    return x
"""
NAMES = ("first", "second")


def asked(run_dir: Path, command: str, **more: Any) -> Any:
    """The control socket's answer, in less than a turn's length even on a slow machine."""
    connection = find_host(str(run_dir))
    try:
        return connection.ask({"command": command, **more}, 30)
    finally:
        connection.close()


def why_not(run_dir: Path, model: str) -> str:
    return str(next(each["reason"] for each in asked(run_dir, "status")["models"] if each["model"] == model))


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    for name in NAMES:
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}_model.py").write_text(MODEL.replace("NAME", name))
    return [tmp_path / name for name in NAMES]


@pytest.fixture
def mark() -> Mark:
    return Mark()


@pytest.fixture
def host(folders: list[Path], mark: Mark, tmp_path: Path) -> Iterator[RunningHost]:
    files = [folder / f"{folder.name}_model.py" for folder in folders]
    with run_host(
        *files, options=["--start-parallelism=1", f"--run-dir={tmp_path}"], env=mark.env, ready=False
    ) as started:
        yield started


def test_waiting_workers_are_reported(host: RunningHost, folders: list[Path], mark: Mark, tmp_path: Path) -> None:
    first, second = folders
    wait_until((first / "begun").exists, 30, "the first plugin is imported")
    file = first / "first_model.py"
    expected = f"starting: importing {file}; 1 waits for a turn to start …"
    wait_until(lambda: asked(tmp_path, "health", check="ready")["reasons"] == [expected], 30, expected)
    (first / "go").touch()
    (second / "go").touch()
    host.wait_ready()
    wait_until(lambda: len(mark.workers()) == 8, 60, "all workers are there")
    (first / "go").unlink()
    (first / "begun").unlink()
    for pid, command in mark.workers().items():
        if str(file) in command:
            os.kill(pid, signal.SIGKILL)
    wait_until((first / "begun").exists, 30, "the first of the four comes back")
    why = "it has no live worker, and the next one waits for its turn to start"
    wait_until(lambda: why_not(tmp_path, "first") == why, 30, why)
    assert (first / "begun").read_text() == "x", "only one of the four has begun"
    (first / "go").touch()
    host.wait_ready()
    wait_until(lambda: len(mark.workers()) == 8, 60, "all are back")
