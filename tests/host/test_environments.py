"""Plugins of another interpreter: the daemon asks it for them and runs them in it, with its own numpy."""

from __future__ import annotations

import json
import venv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import pytriton_plugins
from pytriton_plugins.testing import RunningHost, run_host
from tests.support.sandbox.command import call_host
from tests.support.sandbox.fake_distributions import install
from tests.support.traffic.clients import infer

MODEL = """
    import sys

    import numpy as np
    from pytriton_plugins import Tensor, infer_func

    OUTPUTS = [Tensor("python", str, ()), Tensor("numpy", str, ())]


    @infer_func(name="{name}", inputs=[Tensor("x", np.float32, ())], outputs=OUTPUTS)
    def model(x):
        return {{"python": [sys.prefix] * len(x), "numpy": [np.__version__] * len(x)}}
"""
"""Says which interpreter and which numpy runs it."""


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with numpy, our package without its dependencies, and a model plugin that is nowhere else."""
    folder = tmp_path_factory.mktemp("other")
    venv.create(folder, with_pip=False, symlinks=True)
    (site,) = folder.glob("lib/python*/site-packages")
    # What `pip install --no-deps pytriton-plugins numpy` would leave there.
    (site / "pytriton_plugins").symlink_to(Path(pytriton_plugins.__file__).parent)
    packages = Path(np.__file__).parent.parent
    for name in ("numpy", "numpy.libs"):
        if (packages / name).exists():
            (site / name).symlink_to(packages / name)
    install(
        site, "acme-other", {"pytriton_plugins.models": {"other": "acme_other"}}, acme_other=MODEL.format(name="other")
    )
    return folder


@pytest.fixture(scope="module")
def config(other: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("config") / "host.toml"
    file.write_text(f'plugins = ["other", "add-sub"]\n[[environments]]\npython = "{other}/bin/python"\n')
    return file


@pytest.fixture(scope="module")
def host(config: Path) -> Iterator[RunningHost]:
    with run_host(options=[f"--config={config}"]) as running:
        yield running


def test_its_plugin_runs_there(host: RunningHost, other: Path) -> None:
    answer = infer(host, "grpc", "other", {"x": np.zeros((1, 1), np.float32)})
    assert answer["python"].item().decode() == str(other)


def test_the_hosts_own_plugins_run_beside_it(host: RunningHost) -> None:
    x = np.ones((1, 2), np.float32)
    assert infer(host, "http", "add_sub", {"a": x, "b": x})["sum"].tolist() == [[2, 2]]


def test_list_shows_it_with_its_interpreter(config: Path, other: Path) -> None:
    done = call_host("list", "--json", "--config", str(config))
    (mine,) = [item for item in json.loads(done.stdout)["models"] if item["plugin"] == "other"]
    assert mine["python"] == f"{other}/bin/python"
    assert mine["distribution"] == "acme-other"


@pytest.mark.parametrize(
    ("python", "message"),
    [
        ("/nowhere/python", "environment /nowhere/python cannot be run: No such file or directory"),
        ("/bin/true", "environment /bin/true is not Python 3.10 or newer: no output"),
    ],
)
def test_an_interpreter_that_is_none(python: str, message: str, tmp_path: Path) -> None:
    """A path that is not a Python interpreter ends the start with one line."""
    file = tmp_path / "host.toml"
    file.write_text(f'[[environments]]\npython = "{python}"\n')
    done = call_host("serve", "--config", str(file))
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_an_environment_without_our_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    venv.create(tmp_path / "bare", with_pip=False, symlinks=True)
    (site,) = (tmp_path / "bare").glob("lib/python*/site-packages")
    install(site, "acme-bare", {"pytriton_plugins.models": {"bare": "acme_bare"}}, acme_bare="")
    file = tmp_path / "host.toml"
    file.write_text(f'[[environments]]\npython = "{tmp_path}/bare/bin/python"\n')
    monkeypatch.delenv("PYTHONPATH", raising=False)
    done = call_host("serve", "--config", str(file))
    assert done.returncode == 2
    assert "pytriton_plugins and numpy not installed; run: " in done.stderr
