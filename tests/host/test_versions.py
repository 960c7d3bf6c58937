"""Several versions of one model, from one plugin and from two: all are served, and the newest is the default."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc
import tritonclient.http

from pytriton_plugins.testing import RunningHost, run_host
from tests.support.sandbox.fake_distributions import install, path_with
from tests.support.sandbox.logs import wait_logged
from tests.support.traffic.clients import infer, post

HEAD = """
import numpy as np
from pytriton_plugins import Tensor, infer_func

X, Y = [Tensor("x", np.int64, ())], [Tensor("y", np.int64, ())]
"""
VERSION = """

@infer_func(name="plus", version={version}, inputs=X, outputs=Y, triton_config={config})
def plus_{version}(x):
    return x + {version}
"""


def source(*versions: int, **configs: dict[str, Any]) -> str:
    """A module with these versions of the model plus, each adding its number; ``v2={…}`` are keywords of version 2."""
    return HEAD + "".join(
        VERSION.format(version=version, config=configs.get(f"v{version}", {})) for version in versions
    )


def answered(host: RunningHost, protocol: str, version: str = "") -> int:
    """The result for 10; "" asks for no version."""
    module: Any = {"grpc": tritonclient.grpc, "http": tritonclient.http}[protocol]
    asked = module.InferInput("x", [1, 1], "INT64")
    asked.set_data_from_numpy(np.array([[10]]))
    with module.InferenceServerClient(getattr(host, protocol)) as client:
        return int(client.infer("plus", [asked], model_version=version).as_numpy("y").item())


def config(host: RunningHost) -> dict[str, Any]:
    with urllib.request.urlopen(f"http://{host.http}/v2/models/plus/config") as answer:
        return dict(json.load(answer))


def check(host: RunningHost, *versions: int) -> None:
    for protocol in ("grpc", "http"):
        assert [answered(host, protocol, str(version)) for version in versions] == [10 + each for each in versions]
        assert answered(host, protocol) == 10 + max(versions)
    status, answer = post(host, "/v2/models/plus/versions/9/infer", {})
    assert (status, answer["error"]) == (404, "Request for unknown model: 'plus' version 9 is not found")


@pytest.mark.parametrize("order", [(1, 2, 10), (10, 2, 1)])
def test_of_one_module(tmp_path: Path, order: tuple[int, ...]) -> None:
    (tmp_path / "plus.py").write_text(source(*order))
    with run_host(tmp_path / "plus.py") as host:
        check(host, 1, 2, 10)


def test_of_two_plugins(tmp_path: Path) -> None:
    for number in (1, 2):
        groups = {"pytriton_plugins.models": {f"plug-{number}": f"acme_{number}"}}
        install(tmp_path, f"acme-{number}", groups, **{f"acme_{number}": source(number)})
    with run_host(env={"PYTHONPATH": path_with(tmp_path), "PYTRITON_HOST_PLUGIN": "plug-1,plug-2"}) as host:
        check(host, 1, 2)


TOO_LARGE = {"preferred_batch_size": [1000]}
DELAY = {"dynamic_batching": {"max_queue_delay_microseconds": 1000}}


@pytest.mark.parametrize("slow", [1, 2])
def test_the_configuration_of_the_newest_counts(tmp_path: Path, slow: int) -> None:
    for version in (1, 2):
        wait = "sum(range(20_000_000))\n" if version == slow else ""
        own = {f"v{version}": DELAY} if version == 2 else {}
        (tmp_path / f"plus_{version}.py").write_text(wait + source(version, **own))
    with run_host(tmp_path / "plus_1.py", tmp_path / "plus_2.py") as host:
        assert config(host)["dynamic_batching"]["max_queue_delay_microseconds"] == 1000
        check(host, 1, 2)


def test_a_version_that_triton_refuses_leaves_the_others(tmp_path: Path) -> None:
    """The reason is in its row, and every message names its plugin."""
    (tmp_path / "good.py").write_text(source(1))
    (tmp_path / "bad.py").write_text("sum(range(20_000_000))\n" + source(2, v2={"dynamic_batching": TOO_LARGE}))
    with run_host(tmp_path / "good.py", tmp_path / "bad.py", options=["--optional", "plus"]) as host:
        host.wait_settled()
        message = (
            f"plugin {tmp_path / 'bad.py'}: Triton refuses its configuration: dynamic batching preferred size must be"
        )
        (row,) = [line for line in host.output.splitlines() if line.split()[:2] == ["plus", "2"]]
        assert message in row
        wait_logged(host, f"model plus: {message}")
        check(host, 1)
        assert infer(host, "http", "plus", {"x": np.array([[10]])})["y"].item() == 11


REPORTS_ENDS = """
    import logging
    from pytriton_plugins import hookimpl

    @hookimpl
    def pytriton_on_worker_exit(worker, exit):
        logging.getLogger("pytriton.ends").info("%s: expected: %s", worker.plugin, exit.expected)
"""


def test_a_version_with_other_tensors_is_refused_and_its_worker_dismissed(tmp_path: Path) -> None:
    """The daemon itself ends the worker, so hooks get an expected end."""
    install(tmp_path, "acme-ends", {"pytriton_plugins.hooks": {"ends": "acme_ends"}}, acme_ends=REPORTS_ENDS)
    good, bad = tmp_path / "good.py", tmp_path / "bad.py"
    good.write_text(source(1))
    bad.write_text("sum(range(20_000_000))\n" + source(2).replace("np.int64", "np.int32"))
    with run_host(good, bad, env={"PYTHONPATH": path_with(tmp_path)}, ready=False) as host:
        host.wait_settled()
        wait_logged(
            host,
            f"plugin {bad}: model plus version 2 of {bad} has other inputs, outputs or another max_batch_size than "
            f"version 1 of {good}; give it another name",
        )
        wait_logged(host, f"{bad}: expected: ")
        assert f"{bad}: expected: True" in host.log
        check(host, 1)
