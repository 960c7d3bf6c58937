"""Plugins of another interpreter: the daemon asks it for them and runs them in it, with its own numpy."""

from __future__ import annotations

import json
import shutil
import sys
import time
import venv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import pytriton_plugins
from pytriton_plugins.discovery.entry_points import framework_version
from pytriton_plugins.host.workers.hello import wrong_version
from pytriton_plugins.testing import RunningHost, run_host, wait_until
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


OURS = Path(pytriton_plugins.__file__).parent


def new_environment(folder: Path) -> Path:
    """The site-packages of an environment with numpy, as after `pip install numpy`."""
    venv.create(folder, with_pip=False, symlinks=True)
    (site,) = folder.glob("lib/python*/site-packages")
    packages = Path(np.__file__).parent.parent
    for name in ("numpy", "numpy.libs"):
        if (packages / name).exists():
            (site / name).symlink_to(packages / name)
    return site


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with numpy, our package without its dependencies, and a model plugin that is nowhere else."""
    folder = tmp_path_factory.mktemp("other")
    site = new_environment(folder)
    (site / "pytriton_plugins").symlink_to(OURS)
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


def test_a_change_while_its_interpreter_cannot_be_run_leaves_the_old_one(config: Path, other: Path) -> None:
    (module,) = other.glob("lib/python*/site-packages/acme_other.py")
    python, hidden = other / "bin/python", other / "bin/hidden"

    def logs(host: RunningHost, message: str) -> bool:
        if time.time() - module.stat().st_mtime > 1:  # the daemon may look for the first time after a change
            module.touch()
        return message in host.log

    with run_host(options=[f"--config={config}", "--reload"]) as host:
        python.rename(hidden)
        try:
            module.touch()
            message = f"cannot be served as it is: environment {python} cannot be run: No such file or directory"
            wait_until(lambda: logs(host, message), 20, "the log says so")
        finally:
            hidden.rename(python)
        answer = infer(host, "grpc", "other", {"x": np.zeros((1, 1), np.float32)})
        assert answer["python"].item().decode() == str(other)
        wait_until(lambda: logs(host, "model other: the change is served"), 20, "the next change is served")


@pytest.fixture(scope="module")
def newer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with a plugin, and with a newer version of our package, which has another protocol."""
    folder = tmp_path_factory.mktemp("newer")
    site = new_environment(folder)
    shutil.copytree(OURS, site / "pytriton_plugins", ignore=shutil.ignore_patterns("backend", "__pycache__"))
    wire = site / "pytriton_plugins/shm/wire.py"
    wire.write_text(wire.read_text().replace("\nVERSION = 1\n", "\nVERSION = 2\n"))
    install(site, "pytriton-plugins", {}, version="99.0")
    install(site, "acme-new", {"pytriton_plugins.models": {"new": "acme_new"}}, acme_new=MODEL.format(name="new_model"))
    return folder


def command_for(folder: Path) -> str:
    return f"{folder}/bin/python -m pip install --no-deps pytriton-plugins=={framework_version()}"


def test_a_worker_with_another_protocol_fails_in_one_line(newer: Path, tmp_path: Path) -> None:
    """The log names the other version at the start, and the other plugins serve."""
    file = tmp_path / "host.toml"
    file.write_text(
        f'plugins = ["new", "add-sub"]\noptional = ["new"]\n[[environments]]\npython = "{newer}/bin/python"\n'
    )
    with run_host(options=[f"--config={file}"]) as host:
        error = (
            "plugin new: its worker speaks version 2 of the protocol, the daemon version 1; "
            f"install the daemon's version: {command_for(newer)}"
        )
        assert [line.partition(" pytriton.host: ")[2] for line in host.log.splitlines() if " ERROR " in line] == [error]
        warning = f"environment {newer}/bin/python has pytriton-plugins 99.0, the daemon {framework_version()}; "
        assert f"{warning}install the daemon's version: {command_for(newer)}\n" in host.log
        x = np.ones((1, 2), np.float32)
        assert infer(host, "http", "add_sub", {"a": x, "b": x})["sum"].tolist() == [[2, 2]]


def test_debug_says_the_same(newer: Path, tmp_path: Path) -> None:
    file = tmp_path / "host.toml"
    file.write_text(f'[[environments]]\npython = "{newer}/bin/python"\n')
    done = call_host("debug", "--config", str(file), "new", "x=1")
    assert done.returncode == 1
    assert "speaks version 2 of the protocol, the daemon version 1; install the daemon's version: " in done.stderr


def test_a_package_that_was_replaced_under_the_daemon() -> None:
    """The interpreter is the daemon's own, so its package is right and the daemon is old."""
    assert wrong_version({"protocol": 1}, sys.executable) == ""
    assert wrong_version({"protocol": 2}, sys.executable) == (
        "its worker speaks version 2 of the protocol, the daemon version 1; "
        "pytriton-plugins was replaced since the daemon started; restart the daemon"
    )
    assert wrong_version({}, sys.executable).startswith("its worker speaks version None of the protocol")
