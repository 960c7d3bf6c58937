"""Plugins that cannot be imported: the table names them, the host is not ready unless they are optional."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pytriton_plugins.testing import RunningHost, run_host, wait_until
from tests.support.paths import MODELS
from tests.support.sandbox.fake_distributions import path_with
from tests.support.sandbox.leftovers import Mark
from tests.support.traffic.clients import infer

KINDS = MODELS / "kinds.py"
SCALARS = f"{KINDS}:scalars"
BROKEN = {
    "lacks": ("import no_such_library\n", "import: needs the module no_such_library, which is not installed in "),
    "raises": (
        "raise RuntimeError('the weights\\nare gone')\n",
        "RuntimeError: the weights are gone (line 1)",
    ),
    "unmarked": ("def model(x): return x\n", "import: defines no callable marked with @infer_func"),
    "hangs": (
        "import signal\nwhile True: signal.pause()\n",
        "its import took longer than 5 s; raise --import-timeout",
    ),
    "segfaults": ("import ctypes\nctypes.string_at(0)\n", "its worker ended with killed by SIGSEGV"),
    "leaves": ("import os\nos._exit(9)\n", "its worker ended with exit code 9"),
}


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """Variables with which every broken plugin is found."""
    for name, (source, _) in BROKEN.items():
        (tmp_path / f"{name}.py").write_text(source)
    return {"PYTHONPATH": path_with(tmp_path)}


def limits(plugin: str) -> list[str]:
    """The import timeout, which a plugin that hangs uses up; the working plugin needs some of it too."""
    return ["--import-timeout=5"] if plugin == "hangs" else []


def serves(host: RunningHost) -> bool:
    return bool(infer(host, "grpc", "scalars", {"x": np.array([[2.0]])})["product"].tolist() == [[20.0]])


@pytest.mark.parametrize("plugin", BROKEN)
def test_it_holds_readiness_back_and_the_others_serve(env: dict[str, str], plugin: str) -> None:
    mark = Mark()
    with run_host(plugin, SCALARS, options=limits(plugin), env={**env, **mark.env}, ready=False) as host:
        host.wait_settled()
        (row,) = [line for line in host.output.splitlines() if line.startswith("-")]
        assert row.split()[2] == plugin
        assert BROKEN[plugin][1] in row
        wait_until(lambda: BROKEN[plugin][1] in host.log, what="the log says why")
        assert host.status("/v2/health/live") == 200
        assert host.status("/v2/health/ready") == 400
        assert host.status("/v2/models/scalars/ready") == 200
        assert serves(host)
        wait_until(lambda: len(mark.workers()) == 1, what="only the other plugin's worker lives")
        assert host.stop() == 0


@pytest.mark.parametrize("plugin", ["lacks", "hangs", "segfaults"])
def test_an_optional_one_does_not(env: dict[str, str], plugin: str) -> None:
    options = [*limits(plugin), "--optional", plugin]
    with run_host(plugin, SCALARS, options=options, env=env) as host:
        assert serves(host)
        wait_until(lambda: BROKEN[plugin][1] in host.log, what="the log says why")
        host.wait_settled()
        assert BROKEN[plugin][1] in host.output
