"""mypy accepts the example programs of the pages, and finds wrong uses of the public types."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.docs.typed import write_examples

WRONG = """
import numpy as np

from pytriton_plugins import Context, Host, Tensor, infer_func
from pytriton_plugins.client import AsyncClient, Client

Client(8000)  # wrong
client = Client("localhost")
client[3]  # wrong
client["a"](timeout="1")  # wrong
client["a"](x=1).nothing  # wrong
for part in client["a"].stream(x=1):
    part["x"].nothing  # wrong
client["a"].submit(x=1).result()["x"].nothing  # wrong


async def call() -> None:
    await AsyncClient("localhost")["a"](version=1.5)  # wrong
    async for part in AsyncClient("localhost")["a"].stream(headers=["a"]):  # wrong
        part.nothing  # wrong


Host(http_port="any")  # wrong
Host(nothing=1)  # wrong
Host().nothing  # wrong
Tensor("x", np.float32, "all")  # wrong
Tensor("x", np.float32, 3)  # wrong
infer_func(inputs=3)  # wrong


def model(ctx: Context) -> None:
    ctx.requests[0].nothing  # wrong
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose runs of mypy share a cache."""
    return tmp_path_factory.mktemp("typed")


def checked(folder: Path, *files: Path) -> list[str]:
    """The errors of mypy."""
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--cache-dir=cache", *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    assert done.stdout, done.stderr
    return [line for line in done.stdout.splitlines() if ": error: " in line]


def test_examples_are_typed(folder: Path) -> None:
    files = write_examples(folder)
    names = {file.name for file in files}
    assert {"client_many.py", "serve_bounded.py", "serve_from_a_notebook.py", "add.py"} <= names
    assert checked(folder, *files) == []


def test_wrong_uses_are_found(folder: Path) -> None:
    file = folder / "wrong.py"
    file.write_text(WRONG)
    found = {int(line.split(":")[1]) for line in checked(folder, file)}
    assert found == {number for number, line in enumerate(WRONG.splitlines(), 1) if line.endswith("# wrong")}
