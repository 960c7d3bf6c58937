"""The programs and the notebook of the pages that serve from a program are run; runs in pytest."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pytriton_plugins.testing import wait_until
from tests.support.docs.blocks import Block, blocks
from tests.support.docs.examples import Examples, kind
from tests.support.sandbox.leftovers import Mark

ANY_PORTS = {f"PYTRITON_HOST_{name}_PORT": "0" for name in ("HTTP", "GRPC", "METRICS")}
SCRIPTS = [block for block in blocks("python") if kind(block) == "script"]
CELLS = [block for block in SCRIPTS if block.page == "serve-from-a-notebook"]
WAITING = [block for block in SCRIPTS if "host.wait()" in block.text]
OTHERS = [block for block in SCRIPTS if block not in (*CELLS, *WAITING)]

KERNEL = """
import asyncio, json, sys

async def run(cells):
    names = {"__name__": "__main__"}
    for cell in cells:
        exec(compile(cell, "<cell>", "exec"), names)

asyncio.run(run(json.load(sys.stdin)))
"""
"""Runs cells as a kernel does: in the main thread, in which an event loop runs."""


def environment(mark: Mark) -> dict[str, str]:
    return {**os.environ, **ANY_PORTS, **mark.env}


@pytest.mark.parametrize("block", OTHERS, ids=str)
def test_a_program_of_the_pages(block: Block, examples: Examples) -> None:
    mark = Mark()
    file = examples.file(block)
    done = subprocess.run(
        [sys.executable, file.name], cwd=file.parent, env=environment(mark), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert mark.processes() == {}


@pytest.mark.parametrize("block", WAITING, ids=str)
def test_a_program_of_the_pages_that_waits(block: Block, examples: Examples) -> None:
    """SIGTERM is what the page about it handles, Ctrl-C what every other one ends with."""
    mark = Mark()
    file = examples.file(block)
    with subprocess.Popen(
        [sys.executable, file.name], cwd=file.parent, env=environment(mark), stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        wait_until(lambda: _sleeps(process.pid), 60, "it waits")
        process.send_signal(signal.SIGTERM if "SIGTERM" in block.text else signal.SIGINT)
        assert process.wait(120) == 0
    assert mark.processes() == {}


def test_the_cells_of_the_notebook(examples: Examples, tmp_path: Path) -> None:
    """In their order; the one that serves the file is run again after a change of it."""
    mark = Mark()
    model = (examples.folder / "serve-from-a-notebook" / "shifted.py").read_text()
    changed = f"open('shifted.py', 'w').write({model.replace('x + 1', 'x - 1')!r})"
    (tmp_path / "shifted.py").write_text(model)
    start, serve, call, end = (block.text for block in CELLS)
    cells = [start, serve, call, serve, call, changed, serve, "assert ask([3, 5]) == [2, 4]", end]
    done = subprocess.run(
        [sys.executable, "-c", KERNEL],
        cwd=tmp_path,
        input=json.dumps(cells),
        env=environment(mark),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert mark.processes() == {}


def _sleeps(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "S"
