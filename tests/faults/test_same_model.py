"""Two installed plugins with a model of one name: neither is served, both are named, and an option decides."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from pytriton_plugins.testing import run_host, wait_until
from tests.support.sandbox.command import call_host
from tests.support.sandbox.fake_distributions import install, path_with
from tests.support.sandbox.leftovers import Mark
from tests.support.traffic.clients import infer

PLUGIN = """
    import numpy as np
    from pytriton_plugins import Tensor, infer_func

    {slow}

    @infer_func(inputs=[Tensor("x", np.int64, ())], outputs=[Tensor("y", np.int64, ())])
    def same(x):
        return x + {number}


    @infer_func(name="own-{number}", inputs=[Tensor("x", np.int64, ())], outputs=[Tensor("y", np.int64, ())])
    def own(x):
        return x + {number}
"""
TOO = r"its model same version 1 also comes from {} \(acme-"
X = {"x": np.array([[10]])}
MESSAGE = (
    "model same version 1 comes from plug-1 (acme-1 1.0) (acme_1) and plug-2 (acme-2 1.0) (acme_2); disable one of them"
)


@pytest.fixture(params=["", "import scipy_like, time"], ids=["both-quick", "first-slow"])
def env(tmp_path: Path, request: pytest.FixtureRequest) -> dict[str, str]:
    """Variables with which both are found; the first by name may be imported last."""
    (tmp_path / "scipy_like.py").write_text("sum(range(20_000_000))\n")
    for number in (1, 2):
        source = PLUGIN.format(number=number, slow=request.param if number == 1 else "")
        groups = {"pytriton_plugins.models": {f"plug-{number}": f"acme_{number}"}}
        install(tmp_path, f"acme-{number}", groups, **{f"acme_{number}": source})
    return {"PYTHONPATH": path_with(tmp_path), "PYTRITON_HOST_PLUGIN": "plug-1,plug-2"}


def test_neither_is_served_and_both_are_named(env: dict[str, str]) -> None:
    mark = Mark()
    with run_host(env={**env, **mark.env}, ready=False) as host:
        host.wait_settled()
        rows = {line.split()[0]: line for line in host.output.splitlines() if line.startswith(("- ", "same "))}
        assert MESSAGE in rows["same"]
        assert re.search(TOO.format(r"plug-\d"), rows["-"])
        (reason,) = [line for line in host.output.splitlines() if MESSAGE in line and line.startswith("not ready")]
        assert reason.startswith("not ready: model same: ")
        wait_until(lambda: MESSAGE in host.log, what="the log says it")
        (error,) = [line for line in host.log.splitlines() if " ERROR " in line]
        assert MESSAGE in error
        assert host.status("/v2/health/ready") == 400
        assert [infer(host, "grpc", f"own-{number}", X)["y"].item() for number in (1, 2)] == [11, 12]
        wait_until(lambda: len(mark.workers()) == 2, 10, "only the workers of the other models live")


def test_the_configuration_settles_it(env: dict[str, str]) -> None:
    with run_host(options=["--no-plugin=acme-1"], env=env) as host:
        assert infer(host, "grpc", "same", X)["y"].item() == 12


def test_check_says_the_same(env: dict[str, str]) -> None:
    done = call_host("check", "--http-port=0", "--grpc-port=0", "--metrics-port=0", env=env)
    bad = [line for line in done.stdout.splitlines() if line.startswith("bad")]
    assert done.returncode == 1
    assert [MESSAGE in line for line in bad] == [True, False]
    assert re.search(TOO.format("plug-1"), bad[1])
