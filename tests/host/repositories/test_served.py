"""Models of repositories beside two plugins: called, listed, unloaded, reloaded, and loaded again after a crash."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
import tritonclient.grpc

from pytriton_plugins.discovery.entry_points import REPOSITORIES_GROUP
from pytriton_plugins.errors import ControlError
from pytriton_plugins.host.control.client import find_host
from pytriton_plugins.testing import RunningHost, run_host, wait_until
from tests.support.models.repositories import ensemble, install_model, install_repository, of_backend, write
from tests.support.sandbox.command import call_host
from tests.support.sandbox.fake_distributions import path_with
from tests.support.traffic.clients import infer

X = np.array([[1, 2]], np.float32)
HELD = """
import time
from pathlib import Path

while Path({hold!r}).exists():
    time.sleep(0.01)
"""


@attrs.frozen
class Served:
    """A daemon, the repository folder of its option, where plugins are installed, and the variables of its commands."""

    host: RunningHost
    folder: Path
    site: Path
    env: dict[str, str]

    def ask(self, command: str, **more: Any) -> dict[str, Any]:
        with contextlib.closing(find_host(None, self.host.process.pid)) as connection:
            return dict(connection.ask({"command": command, **more}, 60))

    def change(self, verb: str, model: str, version: int | None = None) -> list[str]:
        done: list[str] = self.ask(verb, model=model, version=version, timeout=60)["done"]
        return done

    def reasons(self) -> dict[str, str]:
        """Why each model is not ready, by its name."""
        return {each["model"]: each["reason"] for each in self.ask("status")["models"]}

    def wait_ready(self) -> None:
        wait_until(lambda: self.ask("health", check="ready")["ok"], 60, "the daemon is ready")

    def values(self, model: str) -> list[float]:
        return list(infer(self.host, "grpc", model, {"x": X})["y"][0])


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Two plugins; an ensemble over them from a distribution, and one over that ensemble from a folder."""
    site, folder = tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("models")
    install_model(site, "plus", "x + 1")
    (site / "acme_plus.py").write_text(
        HELD.format(hold=str(folder.parent / "hold")) + (site / "acme_plus.py").read_text()
    )
    install_model(site, "twice", "x * 2")
    install_model(site, "user", "x", calls=["again"])
    write(install_repository(site, "pair"), "both", ensemble("plus", "twice"))
    write(folder, "again", ensemble("both", "plus"), ("1", "3"))
    env = {"PYTHONPATH": path_with(site)}
    names = ("acme-plus", "twice", "user", "pair")
    options = [*(f"--plugin={name}" for name in names), f"--model-repository={folder}"]
    with run_host(options=options, env=env) as host:
        host.wait_settled()
        yield Served(host, folder, site, env)


def test_ensembles_of_two_repositories_over_two_plugins_answer(served: Served) -> None:
    assert served.values("both") == [4, 6]
    assert served.values("again") == [5, 7]


def test_the_table_and_the_lines_to_paste_have_them(served: Served) -> None:
    rows = [line.split() for line in served.host.output.splitlines()]
    assert ["both", "1", "pair", "(acme-pair", "1.0)", "-", "ready"] in rows
    assert ["again", "3", str(served.folder), "-", "ready"] in rows
    assert f"pytriton-host infer both x=1,2,3 --url {served.host.grpc}" in served.host.output


def test_the_status_has_them(served: Served) -> None:
    status = served.ask("status")
    found = {each["model"]: (each["version"], each["plugin"], each["ready"]) for each in status["models"]}
    assert found["again"] == (3, str(served.folder), True)
    assert found["both"] == (1, "pair (acme-pair 1.0)", True)
    assert status["broken"] == []


def test_the_tables_of_commands_have_them(served: Served) -> None:
    listed = call_host("models", "list", f"--pid={served.host.process.pid}")
    assert ["again", "3", "ready", "yes", "-", "-", "-", "-"] in [line.split() for line in listed.stdout.splitlines()]
    names = {each["model"]: each["inputs"] for each in served.ask("summary")["models"]}
    assert names["both"] == ["x"]


def test_an_ensemble_goes_and_comes_with_a_model_that_it_contains(served: Served) -> None:
    assert served.change("unload", "plus") == [
        "model plus version 1: unloaded",
        "model again: it contains plus and is not served meanwhile",
        "model both: it contains plus and is not served meanwhile",
    ]
    reasons = served.reasons()
    assert reasons["both"] == "contains plus, which is not served: it was unloaded"
    assert reasons["again"] == "contains both, which is not served: contains plus, which is not served: it was unloaded"
    assert not served.ask("health", check="ready")["ok"]
    assert served.change("load", "plus") == ["model plus version 1: serving"]
    served.wait_ready()
    assert served.values("again") == [5, 7]
    assert "contains models that are not available" not in served.host.log


def test_a_model_is_unloaded_and_loaded(served: Served) -> None:
    assert served.change("unload", "again") == ["model again: unloaded"]
    reasons = served.reasons()
    assert reasons["again"] == "it was unloaded"
    assert reasons["user"] == "calls again, which is not served: it was unloaded"
    assert served.ask("status")["reasons"] == [f"model user: {reasons['user']}"]
    with pytest.raises(ControlError, match="model again is unloaded already"):
        served.change("unload", "again")
    assert served.change("load", "again") == ["model again: serving"]
    assert served.values("again") == [5, 7]
    served.wait_ready()
    with pytest.raises(ControlError, match="model again: served already"):
        served.change("load", "again")


def test_versions_are_not_changed_one_by_one(served: Served) -> None:
    with pytest.raises(ControlError, match="its versions are loaded together; leave out --version"):
        served.change("reload", "again", version=3)


def test_a_reload_reads_the_folder_again(served: Served) -> None:
    config = served.folder / "again" / "config.pbtxt"
    before = config.read_text()
    config.write_text(ensemble("plus", "plus", "plus"))
    assert served.change("reload", "again") == ["model again: serving"]
    assert served.values("again") == [4, 5]
    config.write_text("nonsense")
    with pytest.raises(
        ControlError, match=r'config.pbtxt: 1:1 : .* no field named "nonsense".*; the old one serves on'
    ):
        served.change("reload", "again")
    assert served.values("again") == [4, 5]
    config.write_text(before)
    served.change("reload", "again")
    assert served.values("again") == [5, 7]


def test_what_comes_into_the_folder_meanwhile_is_loaded_by_name(served: Served) -> None:
    write(served.folder, "late", ensemble("twice"))
    assert served.change("load", "late") == ["model late: serving"]
    assert served.values("late") == [2, 4]
    shutil.rmtree(served.folder / "late")
    with pytest.raises(ControlError, match=r"its folder is gone from repository .*; the old one serves on"):
        served.change("reload", "late")
    assert served.change("unload", "late") == ["model late: unloaded"]
    with pytest.raises(ControlError, match="no plugin has an enabled model named late"):
        served.change("load", "late")


def test_a_first_load_that_fails_changes_nothing_else(served: Served) -> None:
    """Triton itself would not be ready until the model is loaded."""
    (write(served.folder, "bad", of_backend("own")) / "1" / "libtriton_own.so").write_text("no library")
    write(served.folder, "lost", ensemble("once"))
    with pytest.raises(ControlError, match=r"model bad: .*libtriton_own.so: file too short"):
        served.change("load", "bad")
    with pytest.raises(
        ControlError, match="model lost: contains once, which is not served: there is no model of this name"
    ):
        served.change("load", "lost")
    shutil.rmtree(served.folder / "bad")
    shutil.rmtree(served.folder / "lost")
    served.wait_ready()
    assert served.host.status("/v2/health/ready") == 200


def test_a_model_of_a_plugin_with_the_name_of_a_repositorys_is_not_loaded(served: Served) -> None:
    target = served.folder.parent / "clash.py"
    target.write_text("from acme_plus import plus\nfrom pytriton_plugins import Tensor, infer_func\n"
                      'T = Tensor("x", "float32", (-1,))\n\n\n@infer_func(inputs=[T], outputs=[Tensor("y", "float32", '
                      "(-1,))])\ndef both(x):\n    return x\n")  # fmt: skip
    places = f"model both comes from plugin {target} and repository pair \\(acme-pair 1.0\\)"
    with pytest.raises(ControlError, match=places):
        served.change("load", str(target))
    assert served.values("both") == [4, 6]


def test_a_load_without_room_is_the_reason_and_nothing_else(served: Served) -> None:
    command = Path(f"/proc/{served.ask('status')['tritonserver']['pid']}/cmdline").read_text().split("\0")
    (repository,) = [Path(each.partition("=")[2]) for each in command if each.startswith("--model-repository=")]
    served.change("unload", "again")
    shutil.rmtree(repository / "again")
    (repository / "again").touch()
    problem = f"model again: it cannot be linked into {repository}: File exists; restart the daemon"
    with pytest.raises(ControlError, match=f"^{re.escape(problem)}$"):
        served.change("load", "again")
    assert "internal error" not in served.host.log
    (repository / "again").unlink()
    assert served.change("load", "again") == ["model again: serving"]
    served.wait_ready()


def test_another_tritonserver_gets_what_was_checked(served: Served) -> None:
    """A version that came meanwhile is not served, nor a model with a new link out, or without its folder."""
    for name in ("linked", "gone"):
        write(served.folder, name, ensemble("plus"))
        served.change("load", name)
    (served.folder / "again" / "5").mkdir()
    (served.folder / "linked" / "1" / "weights").symlink_to("/etc/hostname")
    shutil.rmtree(served.folder / "gone")
    before = served.ask("status")["tritonserver"]["pid"]
    os.kill(before, signal.SIGKILL)
    wait_until(lambda: served.ask("status")["tritonserver"]["pid"] not in (None, before), 60, "another one runs")
    target, gone = os.path.realpath("/etc/hostname"), served.folder / "gone"
    reasons = {
        "linked": f"linked/1/weights is a link to {target}, outside of the repository; copy the file into it",
        "gone": f"its folder {gone} cannot be read: No such file or directory; restore it, or correct its permissions",
    }
    wait_until(lambda: reasons.items() <= served.reasons().items(), 60, "both say why they are not served")
    for name in ("linked", "gone"):
        served.change("unload", name)
    served.wait_ready()
    with tritonclient.grpc.InferenceServerClient(served.host.grpc) as client:
        assert client.is_model_ready("again", "3")
        assert not client.is_model_ready("again", "5")
    assert served.values("again") == [5, 7]
    shutil.rmtree(served.folder / "linked")
    (served.folder / "again" / "5").rmdir()


def test_a_caller_of_an_ensemble_stays_while_a_worker_below_it_is_away(served: Served) -> None:
    withdrawn = served.host.log.count("model user: not served")
    (served.folder.parent / "hold").touch()
    (plus,) = [each for each in served.ask("status")["models"] if each["model"] == "plus"]
    os.kill(plus["workers"]["pids"][0], signal.SIGKILL)
    reason = "calls again, which is not served: contains both, which is not served: contains plus, which is not served"
    wait_until(
        lambda: served.reasons()["user"] == f"{reason}: it has no live worker", 60, "the caller names the reason"
    )
    assert served.values("user") == [1, 2]
    (served.folder.parent / "hold").unlink()
    served.wait_ready()
    assert served.host.log.count("model user: not served") == withdrawn


def test_a_plugin_and_a_repository_of_one_name_are_loaded_in_the_order_of_their_calls(served: Served) -> None:
    """They are installed while the daemon serves, in the distribution acme-plus."""
    site = served.site
    points = site / "acme_plus-1.0.dist-info" / "entry_points.txt"
    before = points.read_text()
    install_model(site, "core", "x * 3")
    write(install_repository(site, "combo"), "a_outer", ensemble("b_inner", "plus"))
    write(site / "acme_combo" / "models", "b_inner", ensemble("core"))
    points.write_text(f"{before}combo = acme_core\n[{REPOSITORIES_GROUP}]\ncombo = acme_combo.models\n")
    assert served.change("load", "combo") == [
        "model core version 1: serving",
        "model b_inner: serving",
        "model a_outer: serving",
    ]
    assert served.values("a_outer") == [4, 7]
    for name in ("a_outer", "b_inner", "core"):
        served.change("unload", name)
    write(site / "acme_combo" / "models", "c_bad", "")
    with pytest.raises(ControlError, match=r"^model c_bad of repository combo .*: config.pbtxt: it names neither"):
        served.change("load", "combo")
    assert served.values("a_outer") == [4, 7]
    for name in ("a_outer", "b_inner", "core"):
        served.change("unload", name)
    points.write_text(before)


def test_list_and_check_have_them(served: Served) -> None:
    options = [
        "--plugin=plus",
        "--plugin=twice",
        "--plugin=user",
        "--plugin=pair",
        f"--model-repository={served.folder}",
    ]
    checked = call_host("check", *options, env={**served.env, "PYTRITON_HOST_HTTP_PORT": "0"}).stdout.splitlines()
    assert "ok   repository pair (acme-pair 1.0): both version 1" in checked
    assert f"ok   repository {served.folder}: again version 3" in checked
    assert "ok   model user version 1: calls again" in checked
    listed = call_host("list", env={**served.env, "COLUMNS": "200"}).stdout.splitlines()
    assert ["pair", "repository", "acme_pair.models", "acme-pair", "1.0"] in [line.split() for line in listed]
