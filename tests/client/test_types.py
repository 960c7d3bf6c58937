"""mypy accepts the examples of the page, and finds wrong uses."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support.docs.blocks import blocks

EXAMPLES = [block for block in blocks("python") if block.page == "call-a-model"]
WRONG = """
from pytriton_plugins.client import AsyncClient, Client

Client(8000)
client = Client("localhost")
client[3]
client["a"](timeout="1")
client["a"](x=1).nothing
for part in client["a"].stream(x=1):
    part["x"].nothing
client["a"].submit(x=1).result()["x"].nothing


async def call() -> None:
    await AsyncClient("localhost")["a"](version=1.5)
    async for part in AsyncClient("localhost")["a"].stream(headers=["a"]):
        part.nothing
"""


def checked(file: Path, text: str) -> list[str]:
    """The errors of mypy."""
    file.write_text(text)
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", f"--cache-dir={file.parent}", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=file.parent)
    return [line for line in done.stdout.splitlines() if ": error: " in line]


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 5


def test_examples_are_typed(tmp_path: Path) -> None:
    for block in EXAMPLES:
        assert checked(tmp_path / "example.py", block.text) == [], str(block)


def test_wrong_uses_are_found(tmp_path: Path) -> None:
    lines = [int(line.split(":")[1]) for line in checked(tmp_path / "wrong.py", WRONG)]
    assert lines == [4, 6, 7, 8, 10, 11, 15, 16, 17]
