"""The programs of the pages that serve from a program are run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pytriton_plugins.testing import run_host, wait_until
from tests.support.docs.blocks import Block, blocks
from tests.support.docs.examples import Examples, kind
from tests.support.sandbox.frames import WATCH
from tests.support.sandbox.leftovers import Mark

ANY_PORTS = {f"PYTRITON_HOST_{name}_PORT": "0" for name in ("HTTP", "GRPC", "METRICS")}
SCRIPTS = [block for block in blocks("python") if kind(block) == "script"]
CELLS = [block for block in SCRIPTS if block.page == "serve-from-a-notebook"]
WAITING = [block for block in SCRIPTS if "host.wait()" in block.text]
CONNECTING = [block for block in SCRIPTS if "Host.connect(" in block.text]
OTHERS = [block for block in SCRIPTS if block not in (*CELLS, *WAITING, *CONNECTING)]

WATCHED = f"""
import os, runpy, sys
{WATCH}
sys.path[0] = os.getcwd()
watch("process.py", "wait", sys.argv[2])
runpy.run_path(sys.argv[1], run_name="__main__")
"""
"""Runs a program, and creates a file once it is in `Host.wait`."""


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
def test_a_program_of_the_pages_that_waits(block: Block, examples: Examples, tmp_path: Path) -> None:
    """SIGTERM is what the page about it handles, Ctrl-C what every other one ends with."""
    mark = Mark()
    file = examples.file(block)
    seen = tmp_path / "seen"
    command = [sys.executable, "-c", WATCHED, file.name, str(seen)]
    with subprocess.Popen(command, cwd=file.parent, env=environment(mark)) as process:
        wait_until(seen.exists, 60, "it waits")
        process.send_signal(signal.SIGTERM if "SIGTERM" in block.text else signal.SIGINT)
        assert process.wait(120) == 0
    assert mark.processes() == {}


@pytest.mark.parametrize("block", CONNECTING, ids=str)
def test_a_program_of_the_pages_that_connects(block: Block, examples: Examples, tmp_path: Path) -> None:
    file = examples.file(block)
    (tmp_path / "served.py").write_text((examples.folder / "serve-from-a-script" / "serve_rounded.py").read_text())
    with run_host(tmp_path / "served.py", options=["--allow=attach", f"--run-dir={tmp_path}"]):
        done = subprocess.run(
            [sys.executable, file.name],
            cwd=file.parent,
            env={**os.environ, "PYTRITON_HOST_RUN_DIR": str(tmp_path)},
            capture_output=True,
            text=True,
        )
    assert done.returncode == 0, done.stderr
