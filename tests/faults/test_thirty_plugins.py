"""Thirty installed model plugins, three of them broken: the others serve, and every command names the three."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from pytriton_plugins.testing import RunningHost, run_host, wait_until
from tests.support.sandbox.command import call_host
from tests.support.sandbox.fake_distributions import install, path_with
from tests.support.traffic.clients import attempt

GOOD = [f"good-{number:02}" for number in range(27)]
MODEL = """
    import numpy as np
    from pytriton_plugins import Tensor, infer_func

    @infer_func(name="{name}", inputs=[Tensor("x", np.int64, ())], outputs=[Tensor("y", np.int64, ())])
    def model(x):
        return x + {number}
"""
BROKEN = {
    "broken-import": ("import no_such_library", "needs the module no_such_library, which is not installed"),
    "endless-import": ("import signal\nwhile True: signal.pause()", "its import took longer than 5 s"),
    "segfault": ("import ctypes\nctypes.string_at(0)", "its worker ended with killed by SIGSEGV"),
}
LIMIT = 5.0
"""Seconds that an import may take from its turn on."""


@pytest.fixture(scope="module")
def env(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Variables with which exactly these thirty are found and served."""
    folder = tmp_path_factory.mktemp("thirty")
    sources = {name: MODEL.format(name=name, number=number) for number, name in enumerate(GOOD)}
    sources |= {name: source for name, (source, _) in BROKEN.items()}
    for name, source in sources.items():
        module = name.replace("-", "_")
        install(folder, f"acme-{name}", {"pytriton_plugins.models": {name: module}}, **{module: source})
    wanted = ",".join([*GOOD, *BROKEN])
    return {
        "PYTHONPATH": path_with(folder),
        "PYTRITON_HOST_PLUGIN": wanted,
        "PYTRITON_HOST_IMPORT_TIMEOUT": str(LIMIT),
        "PYTRITON_HOST_OPTIONAL": ",".join(BROKEN),
    }


@pytest.fixture(scope="module")
def host(env: dict[str, str]) -> Iterator[RunningHost]:
    """A host in which every plugin serves or has failed."""
    with run_host(env=env, ready=False) as started:
        started.wait_settled(120)
        yield started


def test_the_others_answer(host: RunningHost) -> None:
    host.wait_ready()
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(attempt, host, "grpc", name, {"x": np.array([[100]])}) for name in GOOD]
    assert [answer.result().outputs["y"].item() for answer in asked] == [100 + number for number in range(27)]


def test_the_table_names_the_three(host: RunningHost) -> None:
    rows = {line.split()[2]: line for line in host.output.splitlines() if line.startswith("-")}
    assert set(rows) == set(BROKEN)
    for name, (_, reason) in BROKEN.items():
        assert reason in rows[name]


def test_an_import_without_end_does_not_keep_the_others_waiting(env: dict[str, str], tmp_path: Path) -> None:
    """Other models serve during a hanging import, also with one start at a time."""
    source, _ = BROKEN["endless-import"]
    install(tmp_path, "acme-endless", {"pytriton_plugins.models": {"aaa-endless": "aaa_endless"}}, aaa_endless=source)
    path = os.pathsep.join([str(tmp_path), env["PYTHONPATH"]])
    plugins = ",".join(["aaa-endless", *GOOD[:3]])
    own = {"PYTHONPATH": path, "PYTRITON_HOST_PLUGIN": plugins, "PYTRITON_HOST_IMPORT_TIMEOUT": "600"}
    with run_host(env={**env, **own}, options=["--start-parallelism=1"], ready=False) as host:
        paths = [f"/v2/models/{name}/ready" for name in GOOD[:3]]
        wait_until(lambda: [*map(host.status, paths)] == [200, 200, 200], 120, "the good ones serve")
        assert "plugin aaa-endless" not in host.log


def test_list_names_the_three(env: dict[str, str]) -> None:
    done = call_host("list", "--models", "--json", env=env)
    assert done.returncode == 0, done.stderr
    mine = [item for item in json.loads(done.stdout)["models"] if item["plugin"] in {*GOOD, *BROKEN}]
    errors = {item["plugin"]: item["error"] for item in mine if item["error"]}
    assert len(mine) == 30
    assert set(errors) == set(BROKEN)
    for name, (_, reason) in BROKEN.items():
        assert reason in errors[name]
    assert [item["declares"] for item in mine if not item["error"]] == [
        [{"model": name, "version": 1, "calls": []}] for name in GOOD
    ]


def test_check_exits_with_1_and_names_the_three(env: dict[str, str]) -> None:
    done = call_host("check", "--http-port=0", "--grpc-port=0", "--metrics-port=0", env=env)
    bad = [line for line in done.stdout.splitlines() if line.startswith("bad")]
    assert done.returncode == 1, done.stderr
    assert len(bad) == 3
    for name, (_, reason) in BROKEN.items():
        assert any(f"plugin {name} (acme-{name} 1.0): " in line and reason in line for line in bad)
