"""`pytriton-host models` under load: the command does what it says, and other models are not touched."""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from subprocess import CompletedProcess

import attrs
import numpy as np
import pytest

from pytriton_plugins.testing import RunningHost, run_host, wait_until
from tests.support.installed import WITHOUT_THEM
from tests.support.paths import MODELS
from tests.support.sandbox.command import call_host
from tests.support.sandbox.fake_distributions import install, path_with
from tests.support.sandbox.leftovers import Mark
from tests.support.traffic.clients import Crowd, Gate, attempt, infer

SCALARS = f"{MODELS / 'kinds.py'}:scalars"
PLUS = """
import numpy as np
from pytriton_plugins import Tensor, infer_func

@infer_func(name="{name}", inputs=[Tensor("x", np.int64, ())], outputs=[Tensor("y", np.int64, ()){more}])
def plus(x):
    return {result}
"""
X = {"x": np.array([[0]])}
NOT_LONG = 1.0
"""Seconds without ready that a model which comes or goes may cost; alone on a machine it is 22 ms at most."""


def plus(number: int, name: str = "plus") -> str:
    return PLUS.format(name=name, more="", result=f"x + {number}")


def plus_and_more(number: int) -> str:
    return PLUS.format(name="plus", more=", Tensor('z', np.int64, ())", result=f"{{'y': x + {number}, 'z': x}}")


@attrs.define
class Site:
    """A host in ``folder``, and commands for it."""

    host: RunningHost
    folder: Path

    def models(self, *arguments: str) -> CompletedProcess[str]:
        return call_host("models", *arguments, f"--run-dir={self.folder}")

    def model(self, name: str, version: int = 1) -> dict[str, object]:
        document = json.loads(call_host("models", "list", "--json", f"--run-dir={self.folder}").stdout)
        assert document["schema"] == 1
        (found,) = [each for each in document["models"] if (each["model"], each["version"]) == (name, version)]
        return dict(found)

    def health(self) -> tuple[int, str]:
        done = call_host("health", "ready", f"--run-dir={self.folder}")
        return done.returncode, done.stderr

    def answer(self, model: str = "plus") -> int:
        return int(infer(self.host, "grpc", model, X)["y"].item())


@attrs.define
class Watch:
    """Polls readiness and one model's answer without a pause."""

    host: RunningHost
    ready: list[tuple[float, int]] = attrs.Factory(list)
    failures: list[str] = attrs.Factory(list)
    answers: set[int] = attrs.Factory(set)
    done: threading.Event = attrs.Factory(threading.Event)

    def look(self) -> None:
        while not self.done.is_set():
            self.ready.append((time.monotonic(), self.host.status("/v2/health/ready")))

    def send(self, model: str) -> None:
        while not self.done.is_set():
            answered = attempt(self.host, "grpc", model, X if model == "plus" else {"x": np.array([[2.0]])})
            if answered.error:
                self.failures.append(answered.error)
            elif "y" in answered.outputs:
                self.answers.add(int(answered.outputs["y"].item()))

    @property
    def longest_not_ready(self) -> float:
        """The longest time without readiness, in seconds."""
        runs = itertools.groupby(self.ready, lambda look: look[1] == 200)
        spans = [[at for at, _ in run] for ready, run in runs if not ready]
        return max((span[-1] - span[0] for span in spans), default=0.0)

    def sees(self, answer: int) -> None:
        wait_until(lambda: answer in self.answers or bool(self.failures), 20, f"an answer is {answer}")


def watched(host: RunningHost, model: str, work: Callable[[Watch], object]) -> Watch:
    """The polled results while ``work`` ran."""
    watch = Watch(host)
    with ThreadPoolExecutor(3) as pool:
        running = [pool.submit(watch.look), pool.submit(watch.send, model), pool.submit(watch.send, model)]
        try:
            wait_until(lambda: len(watch.ready) > 10, 20, "it is watched")
            work(watch)
        finally:
            watch.done.set()
        for each in running:
            each.result()
    return watch


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "run"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "plus.py"
    path.write_text(plus(1))
    return path


@pytest.fixture
def site(file: Path, folder: Path) -> Iterator[Site]:
    with run_host(file, SCALARS, MODELS / "gated.py", options=[f"--run-dir={folder}"]) as host:
        host.wait_settled()
        yield Site(host, folder)


def test_unloading_lets_running_requests_finish_and_fails_waiting_ones(site: Site, tmp_path: Path) -> None:
    """For some milliseconds Triton counts a model that it unloads against ready, and no gate can hide that; with a long
    call these must not become seconds.
    """
    gate = Gate(tmp_path / "gate")
    pids = site.model("Gated")["workers"]["pids"]  # type: ignore[index]

    def work(watch: Watch) -> None:
        with Crowd(site.host, 9) as crowd, ThreadPoolExecutor(1) as pool:
            runs = crowd.send("Gated", {"gate": gate.tensor})
            wait_until(gate.is_reached, 20, "the call runs")
            wait = [crowd.send("Gated", {"gate": gate.tensor}) for _ in range(8)]
            wait_until(lambda: site.model("Gated")["requests"] == {"in_flight": 1, "waiting": 8}, 20, "they wait")
            unloading = pool.submit(site.models, "unload", "Gated")
            for each in wait:
                assert "model Gated is out of service: it was unloaded" in each.result(20).error
            assert not runs.done()
            for _ in range(10):  # long enough to be seen if Triton said not ready meanwhile
                assert site.health() == (0, "")
            gate.open()
            assert runs.result(20).outputs["rows"].item() == 1
            done = unloading.result(20)
            assert (done.returncode, done.stdout) == (0, "model Gated version 1: unloaded\n")
            assert "waiting for running requests" in done.stderr

    watch = watched(site.host, "scalars", work)
    assert watch.failures == []
    assert watch.longest_not_ready < NOT_LONG
    model = site.model("Gated")
    assert (model["ready"], model["reason"], model["unloaded"]) == (False, "it was unloaded", True)
    assert model["memory"]["in_use"] == 0  # type: ignore[index]
    assert [pid for pid in pids if Path(f"/proc/{pid}").exists()] == []
    assert site.host.status("/v2/models/Gated/ready") == 400
    assert site.host.status("/v2/health/ready") == 200
    assert site.health() == (0, "")
    assert site.models("unload", "Gated").stderr.endswith("model Gated version 1 is unloaded already\n")


def test_an_unloaded_model_is_loaded_again(site: Site, file: Path) -> None:
    """It is loaded with the current code of its plugin."""
    assert site.models("unload", "plus").returncode == 0
    file.write_text(plus_and_more(2))

    def work(watch: Watch) -> None:
        done = site.models("load", "plus", "--json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout) == {"schema": 1, "done": ["model plus version 1: serving"]}

    watch = watched(site.host, "scalars", work)
    assert watch.failures == []
    assert watch.longest_not_ready < NOT_LONG
    assert infer(site.host, "grpc", "plus", {"x": np.array([[5]])})["z"].item() == 5
    assert site.model("plus")["unloaded"] is False
    assert site.models("load", "plus").stderr.endswith("pytriton-host: model plus version 1: served already\n")


def test_a_load_that_fails_leaves_it_unloaded_and_the_host_ready(site: Site, file: Path) -> None:
    assert site.models("unload", "plus").returncode == 0
    for content, message in (
        ("def (\n", "SyntaxError"),
        (CLASS.format(setup="raise OSError('no weights')"), "no weights"),
    ):
        file.write_text(content)
        done = site.models("load", "plus")
        assert (done.returncode, done.stdout) == (1, "")
        assert message in done.stderr.splitlines()[-1]
        assert site.model("plus")["unloaded"] is True
        assert site.health() == (0, "")
    file.write_text(plus(3))
    assert site.models("load", "plus").returncode == 0
    assert site.answer() == 3


CLASS = """
import numpy as np
from pytriton_plugins import Tensor, infer_func

@infer_func(name="plus", inputs=[Tensor("x", np.int64, ())], outputs=[Tensor("y", np.int64, ())])
class Plus:
    def __init__(self):
        {setup}

    def __call__(self, x):
        return x
"""


def test_a_call_that_does_not_end_is_not_waited_for(site: Site, tmp_path: Path) -> None:
    """Its client gets an error, and the model is unloaded."""
    gate = Gate(tmp_path / "gate")
    with Crowd(site.host, 1) as crowd:
        runs = crowd.send("Gated", {"gate": gate.tensor})
        wait_until(gate.is_reached, 20, "the call runs")
        done = site.models("unload", "Gated", "--timeout=0.5")
        assert (done.returncode, done.stdout) == (0, "model Gated version 1: unloaded\n")
        assert "its worker ended while it ran this request" in runs.result(20).error
    wait_until(lambda: "still ran requests after 0.5 s and is killed" in site.host.log, what="the log says so")
    assert site.host.status("/v2/health/ready") == 200


@pytest.mark.parametrize("change", [plus, plus_and_more], ids=["same-declaration", "other-declaration"])
def test_reloading_under_load(site: Site, file: Path, change: Callable[[int], str]) -> None:
    """No request fails, and the host stays ready."""

    def work(watch: Watch) -> None:
        for number in (2, 3):
            file.write_text(change(number))
            done = site.models("reload", "plus")
            assert (done.returncode, done.stdout) == (0, "model plus version 1: serving\n"), done.stderr
            assert site.answer() == number
            watch.sees(number)

    watch = watched(site.host, "plus", work)
    assert watch.failures == []
    assert {status for _, status in watch.ready} == {200}
    assert watch.answers == {1, 2, 3}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("raise OSError('no\\nlibrary')\n", "no library"),
        (CLASS.format(setup="raise OSError('no weights')"), "no weights"),
        (PLUS.format(name="other", more="", result="x"), "model plus version 1 is not in plugin"),
    ],
    ids=["import", "set-up", "gone"],
)
def test_a_reload_that_fails_leaves_the_old_one(site: Site, file: Path, content: str, message: str) -> None:
    file.write_text(content)
    done = site.models("reload", "plus")
    assert (done.returncode, done.stdout) == (1, "")
    last = done.stderr.splitlines()[-1]
    assert last.startswith("pytriton-host: ")
    assert message in last
    assert site.answer() == 1
    assert site.host.status("/v2/health/ready") == 200
    file.write_text(plus(4))
    assert site.models("reload", "plus").returncode == 0
    assert site.answer() == 4


VERSIONS = """
import numpy as np
from pytriton_plugins import Tensor, infer_func

X, Y = [Tensor("x", np.int64, ())], [Tensor("y", np.int64, ())]

@infer_func(name="plus", inputs=X, outputs=Y)
def first(x):
    return x + 1

@infer_func(name="plus", version=2, inputs=X, outputs=Y)
def second(x):
    return x + 2
"""


def test_one_version_of_a_model(file: Path, folder: Path) -> None:
    file.write_text(VERSIONS)
    with run_host(file, options=[f"--run-dir={folder}"]) as host:
        site = Site(host, folder)
        assert site.answer() == 2
        done = site.models("unload", "plus", "--version=2")
        assert (done.returncode, done.stdout) == (0, "model plus version 2: unloaded\n"), done.stderr
        assert site.answer() == 1
        assert (site.model("plus")["ready"], site.model("plus", 2)["unloaded"]) == (True, True)
        assert site.models("load", "plus").returncode == 0
        assert site.answer() == 2
        done = site.models("unload", "plus")
        assert done.stdout == "model plus version 1: unloaded\nmodel plus version 2: unloaded\n"
        assert host.status("/v2/models/plus/ready") == 400
        assert host.status("/v2/health/ready") == 200
        done = site.models("unload", "plus", "--version=3")
        assert done.stderr == "pytriton-host: model plus has no version 3; it has 1, 2\n"
        done = site.models("load", "plus", "--version=3")
        assert done.stderr.splitlines()[-1] == "pytriton-host: model plus has no version 3; it has 1, 2"


def test_a_model_that_failed_at_the_start_is_loaded(file: Path, folder: Path) -> None:
    file.write_text("raise OSError('no weights')\n")
    with run_host(file, SCALARS, options=[f"--run-dir={folder}"], ready=False) as host:
        host.wait_settled()
        site = Site(host, folder)
        assert site.health()[0] == 1
        assert "no weights" in site.models("load", "plus").stderr.splitlines()[-1]
        file.write_text(plus(5))
        assert site.models("load", "plus").returncode == 0
        host.wait_ready(5)
        assert site.answer() == 5


def test_a_plugin_that_was_installed_meanwhile(tmp_path: Path, folder: Path) -> None:
    """`models load` finds it; one that does not work does not make the host not ready."""
    group = "pytriton_plugins.models"
    one, two, three = tmp_path / "one", tmp_path / "two", tmp_path / "three"
    install(one, "acme-one", {group: {"acme-one": "acme_one"}}, acme_one=plus(1, "one"))
    two.mkdir()
    three.mkdir()
    env = {"PYTHONPATH": path_with(one) + os.pathsep + f"{two}{os.pathsep}{three}"}
    options = [f"--run-dir={folder}", *WITHOUT_THEM]
    with run_host(options=options, env=env) as host:
        site = Site(host, folder)
        message = site.models("load", "two").stderr.splitlines()[-1]
        assert message.startswith("pytriton-host: no plugin has an enabled model named two")
        install(three, "acme-three", {group: {"acme-three": "acme_three"}}, acme_three="raise OSError('broken')")
        message = site.models("load", "acme-three").stderr.splitlines()[-1]
        assert message.startswith("pytriton-host: plugin acme-three (acme-three 1.0): ")
        assert site.health() == (0, "")
        install(two, "acme-two", {group: {"acme-two": "acme_two"}}, acme_two=plus(2, "two"))
        watch = watched(host, "one", lambda _: site.models("load", "two").check_returncode())
        assert site.answer("two") == 2
        assert watch.longest_not_ready < NOT_LONG
        assert site.models("unload", "two").returncode == 0
        assert site.models("load", "two").returncode == 0
        assert site.answer("two") == 2
        message = site.models("load", "acme-one").stderr.splitlines()[-1]
        assert message == "pytriton-host: model one version 1: served already"
        for change in ("unload", "reload"):
            assert site.models(change, "acme-one").stderr == (
                "pytriton-host: acme-one is a plugin, not a model; name one of its models: one\n"
            )
        site.models("unload", "one").check_returncode()
        assert site.models("load", "acme-one").stdout == "model one version 1: serving\n"


@pytest.mark.parametrize("change", [plus, plus_and_more], ids=["the callable", "the declaration"])
def test_an_upgrade_is_named_after_the_reload(tmp_path: Path, folder: Path, change: Callable[[int], str]) -> None:
    """Progress, `status` and `list` show the new version; another model that was not reloaded shows the old."""
    site_packages, both = tmp_path / "site", "\n".join([plus(1), plus(1, "other").replace("def plus", "def other")])
    points = {"pytriton_plugins.models": {"acme": "acme_one"}}
    install(site_packages, "acme-one", points, acme_one=both)
    options = [f"--run-dir={folder}", "--plugin=acme"]
    env = {"PYTHONPATH": path_with(site_packages)}
    with run_host(options=options, env=env) as host:
        site = Site(host, folder)
        assert site.model("plus")["plugin"] == "acme (acme-one 1.0)"
        shutil.rmtree(site_packages / "acme_one-1.0.dist-info")
        upgraded = both.replace(plus(1), change(100))
        install(site_packages, "acme-one", points, version="2.0", acme_one=upgraded)
        done = site.models("reload", "plus")
        assert done.stderr.splitlines()[0] == "importing acme (acme-one 2.0) …"
        assert site.answer() == 100
        assert site.model("plus")["plugin"] == "acme (acme-one 2.0)"
        assert site.model("other")["plugin"] == "acme (acme-one 1.0)"
        assert re.search(r"acme +models +acme_one +acme-one +2\.0", call_host("list", env=env).stdout)
        assert site.models("reload", "other").stderr.splitlines()[0] == "importing acme (acme-one 2.0) …"
        assert site.model("other")["plugin"] == "acme (acme-one 2.0)"
        assert site.models("unload", "plus").returncode == site.models("load", "plus").returncode == 0


def test_a_target_is_loaded_beside_the_others(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is one more plugin: it can be unloaded, loaded and reloaded, and a second load says that it is served."""
    extra = tmp_path / "extra.py"
    extra.write_text("\n".join([plus(2, "two"), plus(3, "three").replace("def plus", "def three")]))
    monkeypatch.chdir(tmp_path)
    watch = watched(site.host, "plus", lambda _: site.models("load", "extra.py:three").check_returncode())
    assert (site.answer("three"), watch.failures) == (3, [])
    assert watch.longest_not_ready < NOT_LONG
    assert site.model("three")["plugin"] == f"{extra}:three"
    message = site.models("load", "./extra.py:three").stderr.splitlines()[-1]
    assert message == "pytriton-host: model three version 1: served already"
    assert site.models("unload", "three").returncode == 0
    assert site.models("load", str(extra) + ":three").stdout == "model three version 1: serving\n"
    extra.write_text(extra.read_text().replace("x + 3", "x + 30"))
    assert site.models("reload", "three").returncode == 0
    assert site.answer("three") == 30


def test_the_targets_of_serve_are_known_by_their_files(site: Site, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(file.parent)
    message = site.models("load", file.name).stderr.splitlines()[-1]
    assert message == "pytriton-host: model plus version 1: served already"
    site.models("unload", "plus").check_returncode()
    assert site.models("load", file.name).stdout == "model plus version 1: serving\n"


def test_modules_are_loaded(tmp_path: Path, folder: Path) -> None:
    """By their names, with dots or not; a plugin's or a model's name comes first."""
    package = tmp_path / "modules" / "acme_package"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "deep.py").write_text(plus(1, "deep") + plus(2, "other").replace("def plus", "def other"))
    (package.parent / "acme_flat.py").write_text(plus(5, "flat"))
    (package.parent / "plus.py").write_text("raise OSError('this module is not asked for')")
    options, env = [f"--run-dir={folder}"], {"PYTHONPATH": path_with(package.parent)}
    with run_host(SCALARS, options=options, env=env) as host:
        site = Site(host, folder)
        assert site.models("load", "acme_package.deep:other").stdout == "model other version 1: serving\n"
        assert site.models("load", "acme_flat").stdout == "model flat version 1: serving\n"
        assert site.models("load", "flat").stderr == "pytriton-host: model flat version 1: served already\n"
        done = site.models("load", "acme_package.deep")
        assert done.stderr.splitlines()[-1].startswith("pytriton-host: model other version 1 comes from acme_package.")
        assert [site.answer(name) for name in ("deep", "other", "flat")] == [1, 2, 5]


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("none.py", "none.py is not a file; write the path of a Python file, or a module's name with dots"),
        ("none.py:add", "none.py is not a file; write the path of a Python file, or a module's name with dots"),
        ("~nobody-here/m.py", "~nobody-here/m.py is not a file; write the path of a Python file, or a module's name "),
        ("plus.py:1", "'plus.py:1' does not name a module; write pkg.module, pkg.module:name, path/to/model.py"),
        ("gone.module", "plugin gone.module: import: module gone.module is not installed in "),
        ("broken.py", "plugin {folder}/broken.py: import: cannot be imported: OSError: no library (line 1)"),
        ("empty.py", "plugin {folder}/empty.py: import: defines no callable marked with @infer_func; mark one"),
        ("plus.py:gone", "plugin {folder}/plus.py:gone: import: has no 'gone'; write one of its names after the colon"),
        ("again.py", "model plus version 1 comes from {folder}/again.py ({folder}/again.py) and {folder}/plus.py"),
        ("acme/plugn", "no plugin has an enabled model named acme/plugn"),
    ],
)
def test_a_target_that_cannot_be_loaded_ends_in_one_line(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str, message: str
) -> None:
    """The host stays ready, and its models stay as they are."""
    (tmp_path / "broken.py").write_text("raise OSError('no library')")
    (tmp_path / "empty.py").write_text("")
    (tmp_path / "again.py").write_text(plus(7))
    monkeypatch.chdir(tmp_path)
    done = site.models("load", target)
    assert done.returncode in (1, 2)
    *progress, line = done.stderr.splitlines()
    assert line.startswith(f"pytriton-host: {message.format(folder=tmp_path)}")
    assert all(each.endswith(" …") for each in progress)
    assert site.health() == (0, "")
    assert site.answer() == 1


def test_a_version_of_a_target(site: Site, tmp_path: Path) -> None:
    versions = plus(1, "many") + plus(2, "many").replace('name="many"', 'name="many", version=2').replace(
        "def p", "def q"
    )
    (tmp_path / "many.py").write_text(versions)
    done = site.models("load", str(tmp_path / "many.py"), "--version=2")
    assert done.stdout == "model many version 2: serving\n"
    assert site.answer("many") == 2


def test_an_upgrade_that_cannot_be_served_is_not_named(tmp_path: Path, folder: Path) -> None:
    """`status` shows the old version and an error that names the old version."""
    site_packages = tmp_path / "site"
    points = {"pytriton_plugins.models": {"acme": "acme_one"}}
    install(site_packages, "acme-one", points, acme_one="raise OSError('no library')")
    options, env = [f"--run-dir={folder}", "--plugin=acme"], {"PYTHONPATH": path_with(site_packages)}
    with run_host(options=options, env=env, ready=False) as host:
        host.wait_settled()
        site = Site(host, folder)

        def upgrade(version: str, source: str) -> str:
            shutil.rmtree(next(site_packages.glob("*.dist-info")))
            install(site_packages, "acme-one", points, version=version, acme_one=source)
            return site.models("load", "plus").stderr.splitlines()[-1]

        def broken() -> list[tuple[str, str]]:
            document = json.loads(call_host("status", "--json", f"--run-dir={folder}").stdout)
            return [(each["plugin"], each["error"]) for each in document["broken"]]

        before = broken()
        assert [(plugin, "no library" in error) for plugin, error in before] == [("acme (acme-one 1.0)", True)]
        assert upgrade("2.0", CLASS.format(setup="raise OSError('no weights')")).endswith("no weights")
        assert broken() == before
        assert "plugin acme (acme-one 3.0): " in upgrade("3.0", "raise OSError('no luck')")
        assert upgrade("4.0", plus(4)).startswith("model plus version 1: setting up")
        assert broken() == []
        assert site.model("plus")["plugin"] == "acme (acme-one 4.0)"


def test_a_change_waits_for_another(site: Site, tmp_path: Path) -> None:
    gate = Gate(tmp_path / "gate")
    with Crowd(site.host, 1) as crowd, ThreadPoolExecutor(1) as pool:
        runs = crowd.send("Gated", {"gate": gate.tensor})
        wait_until(gate.is_reached, 20, "the call runs")
        unloading = pool.submit(site.models, "unload", "Gated")
        wait_until(lambda: bool(site.model("Gated")["unloaded"]), 20, "it is being unloaded")
        done = site.models("reload", "plus", "--timeout=2")
        assert done.returncode == 1
        assert done.stderr == (
            "waiting for another change of models …\n"
            "pytriton-host: timed out after 2 s; still running, see 'pytriton-host status'\n"
        )
        gate.open()
        assert unloading.result(20).returncode == 0
        assert runs.result(20).error == ""
    wait_until(lambda: site.models("reload", "plus").returncode == 0, 20, "the next one is done")


def test_not_while_the_host_starts(tmp_path: Path, folder: Path) -> None:
    """Model commands are refused while the host starts."""
    gate = tmp_path / "import"
    os.mkfifo(gate)
    env = {"LIFE_AT_IMPORT": "block", "LIFE_GATE": str(gate)}
    with run_host(MODELS / "life.py", options=[f"--run-dir={folder}"], env=env, ready=False) as host:
        site = Site(host, folder)
        wait_until(lambda: "health startup" in site.models("unload", "life").stderr, 20, "it says so")
        gate.write_bytes(b"")
        host.wait_ready()


def test_nothing_is_left_behind(file: Path, folder: Path) -> None:
    """After every command there is a worker for each served model only, and the host stops normally."""
    mark = Mark()
    with run_host(file, options=[f"--run-dir={folder}"], env=mark.env) as host:
        site = Site(host, folder)
        for words, workers in (("unload", 0), ("load", 1), ("reload", 1), ("unload", 0)):
            assert site.models(words, "plus").returncode == 0
            wait_until(lambda workers=workers: len(mark.workers()) == workers, 10, f"{workers} workers")  # type: ignore[misc]
        file.write_text("raise OSError('broken')\n")
        assert site.models("load", "plus").returncode == 1
        wait_until(lambda: mark.workers() == {}, 10, "no worker")
        assert host.stop() == 0
    assert mark.processes() == {}


@pytest.mark.parametrize(
    "arguments",
    [["unload"], ["unload", "plus", "--version=0"], ["load", "plus", "--timeout=0"], ["reload", "plus", "x"], ["gone"]],
)
def test_wrong_usage(arguments: list[str]) -> None:
    done = call_host("models", *arguments)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
