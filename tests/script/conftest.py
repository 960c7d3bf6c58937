"""A daemon that takes callables of other processes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pytriton_plugins.testing import RunningHost, run_host

PLUGIN = """
import os

import numpy as np
from pytriton_plugins import Context, Tensor, infer_func


@infer_func(inputs=[Tensor("x", np.float32, (-1,))], outputs=[Tensor("y", np.float32, (-1,))])
def plugged(x):
    return x


@infer_func(inputs=[Tensor("x", np.float32, (-1,))], outputs=[Tensor("y", np.float32, (2,))], workers=2)
def placed(x, ctx: Context):
    return np.full((len(x), 2), [ctx.worker, os.getpid()], np.float32)
"""


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("run")


@pytest.fixture(scope="module")
def host(run_dir: Path) -> Iterator[RunningHost]:
    """One daemon for all tests of a module; each test leaves it as it was."""
    (run_dir / "plugged.py").write_text(PLUGIN)
    with run_host(run_dir / "plugged.py", options=["--allow=attach", f"--run-dir={run_dir}"]) as host:
        yield host
