"""`serve --reload` under load: a changed plugin is swapped in without a failed request, and the host stays ready."""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
import tritonclient.grpc
import tritonclient.http

from pytriton_plugins.testing import RunningHost, run_host, wait_until
from tests.support.sandbox.fake_distributions import install, path_with
from tests.support.sandbox.leftovers import Mark
from tests.support.traffic.clients import infer
from tests.support.traffic.scrape import workers

CLIENTS = 16
SAME = """
import numpy as np
from pytriton_plugins import Tensor, infer_func

@infer_func(inputs=[Tensor("x", np.int64, ())], outputs=[Tensor("y", np.int64, ())])
def plus(x):
    sum(range(50_000))  # it is in the middle of a batch most of the time
    return x + {number}
"""
MORE = """
import numpy as np
from pytriton_plugins import Tensor, infer_func

@infer_func(inputs=[Tensor("x", np.int64, ())], outputs=[Tensor("y", np.int64, ()), Tensor("z", np.int64, ())])
def plus(x):
    sum(range(50_000))
    return {{"y": x + {number}, "z": x * 2}}
"""
CLASS = """
import numpy as np
from pytriton_plugins import Tensor, infer_func

@infer_func(name="plus", inputs=[Tensor("x", np.int64, ())], outputs=[Tensor("y", np.int64, ())])
class Plus:
    def __init__(self):
        {setup}

    def __call__(self, x):
        return x + {number}
"""


@attrs.define
class Load:
    """Sixteen clients that send without a pause or a retry, and one that polls readiness."""

    host: RunningHost
    answers: Counter[Any] = attrs.Factory(Counter)
    failures: list[str] = attrs.Factory(list)
    ready: Counter[int] = attrs.Factory(Counter)
    done: threading.Event = attrs.Factory(threading.Event)

    def client(self, number: int) -> None:
        module: Any = tritonclient.grpc if number % 2 else tritonclient.http
        x = module.InferInput("x", [1, 1], "INT64")
        x.set_data_from_numpy(np.zeros((1, 1), np.int64))
        with module.InferenceServerClient(self.host.grpc if number % 2 else self.host.http) as client:
            while not self.done.is_set():
                try:
                    self.answers[client.infer("plus", [x]).as_numpy("y").item()] += 1
                except Exception as error:
                    self.failures.append(f"{type(error).__name__}: {error}")

    def look(self) -> None:
        while not self.done.is_set():
            self.ready[self.host.status("/v2/health/ready")] += 1

    def sees(self, answer: int) -> None:
        wait_until(lambda: self.answers[answer] > 0 or bool(self.failures), 20, f"an answer is {answer}")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "plus.py"
    path.write_text(SAME.format(number=1))
    return path


@pytest.fixture
def load(file: Path) -> Iterator[Load]:
    with run_host(file, options=["--reload", "--workers=2"]) as host, ThreadPoolExecutor(CLIENTS + 1) as pool:
        load = Load(host)
        running = [pool.submit(load.client, number) for number in range(CLIENTS)] + [pool.submit(load.look)]
        try:
            load.sees(1)
            yield load
        finally:
            load.done.set()
        for each in running:
            each.result()


def test_a_changed_callable_is_swapped_in(load: Load, file: Path) -> None:
    for number in (2, 3, 4):
        file.write_text(SAME.format(number=number))
        load.sees(number)
    load.done.set()
    assert load.failures == []
    assert set(load.ready) == {200}


def test_a_changed_declaration_reloads_the_model(load: Load, file: Path) -> None:
    file.write_text(MORE.format(number=5))
    load.sees(5)
    assert infer(load.host, "grpc", "plus", {"x": np.array([[4]])})["z"].item() == 8
    file.write_text(SAME.format(number=6))
    load.sees(6)
    load.done.set()
    assert load.failures == []
    assert set(load.ready) == {200}


def test_a_broken_change_leaves_the_old_one(load: Load, file: Path) -> None:
    file.write_text("not valid Python\n")
    wait_until(lambda: "has changed and cannot be served as it is" in load.host.log, 20, "the log says so")
    before = load.answers[1]
    wait_until(lambda: load.answers[1] > before, 20, "the old one answers")
    file.write_text(SAME.format(number=7))
    load.sees(7)
    load.done.set()
    assert load.failures == []
    assert set(load.ready) == {200}


def test_old_workers_are_gone_after_a_while(file: Path) -> None:
    mark = Mark()
    with run_host(file, options=["--reload"], env=mark.env) as host:
        (old,) = mark.workers()
        file.write_text(MORE.format(number=8))
        wait_until(lambda: old not in mark.workers(), 20, "the old worker has ended")
        assert len(mark.workers()) == 1
        assert infer(host, "grpc", "plus", {"x": np.array([[0]])})["y"].item() == 8
        assert host.stop() == 0


def test_a_change_that_not_every_worker_can_set_up(file: Path, tmp_path: Path) -> None:
    """Both versions answer, and the log says so."""
    file.write_text(CLASS.format(setup="import os; self.pid = os.getpid()", number="self.pid"))
    with run_host(file, options=["--reload", "--workers=2"]) as host, ThreadPoolExecutor(CLIENTS) as pool:

        def answers() -> set[int]:
            x = {"x": np.array([[0]])}
            return set(pool.map(lambda _: int(infer(host, "grpc", "plus", x)["y"].item()), range(2 * CLIENTS)))

        wait_until(lambda: len(answers()) == 2, 20, "both workers answer")
        file.write_text(CLASS.format(setup=f"open({str(tmp_path / 'only-once')!r}, 'x').close()", number=2))
        message = "model plus: 1 of its 2 workers serve the change, and the others serve on as they were"
        wait_until(lambda: message in host.log, 20, "the log says so")
        wait_until(lambda: len(left := answers()) == 2 and 2 in left, 20, "both versions answer")
        assert host.status("/v2/health/ready") == 200


WAITING = """import os, time
        open({folder!r} + str(os.getpid()), "x").close()
        while not os.path.exists({folder!r} + "go"):
            time.sleep(0.01)"""


@pytest.mark.parametrize("which", [0, 1])
def test_a_worker_that_is_killed_meanwhile_has_one_successor(file: Path, tmp_path: Path, which: int) -> None:
    file.write_text(CLASS.format(setup="pass", number=1))
    mark, folder = Mark(), tmp_path / "setting-up"
    folder.mkdir()
    with run_host(file, options=["--reload", "--workers=2"], env=mark.env) as host:
        wait_until(lambda: workers(host.metrics, "plus") == 2, 20, "both workers serve")
        old = sorted(mark.workers())
        file.write_text(CLASS.format(setup=WAITING.format(folder=f"{folder}/"), number=2))
        wait_until(lambda: len([*folder.iterdir()]) == 1, 20, "a successor is being set up")
        os.kill(old[which], signal.SIGKILL)
        wait_until(lambda: len([*folder.iterdir()]) == 2, 20, "the killed one's as well")
        (folder / "go").touch()
        wait_until(lambda: host.log.count("model plus: the change is served") == 1, 20, "the log says so")
        wait_until(lambda: not set(old) & set(mark.workers()), 20, "the old ones have ended")
        # Each live worker has one successor in the next change: there are two.
        again = tmp_path / "again"
        again.mkdir()
        (again / "go").touch()
        file.write_text(CLASS.format(setup=WAITING.format(folder=f"{again}/"), number=3))
        wait_until(lambda: host.log.count("model plus: the change is served") == 2, 20, "the log says so again")
        assert len([*again.iterdir()]) == 1 + 2, "go and the two"
        assert infer(host, "grpc", "plus", {"x": np.array([[0]])})["y"].item() == 3


@pytest.mark.parametrize("before", [CLASS.format(setup="pass", number=1), SAME.format(number=1)], ids=["same", "other"])
def test_a_change_that_cannot_be_set_up_leaves_the_old_one(file: Path, before: str) -> None:
    """With an unchanged declaration and with a changed one."""
    file.write_text(before)
    x = {"x": np.array([[0]])}
    with run_host(file, options=["--reload"]) as host:
        file.write_text(CLASS.format(setup="raise OSError('no weights')", number=2))
        wait_until(lambda: "model plus: the old one serves on" in host.log, 20, "the log says so")
        assert infer(host, "grpc", "plus", x)["y"].item() == 1
        assert host.status("/v2/health/ready") == 200
        file.write_text(CLASS.format(setup="pass", number=3))
        wait_until(lambda: infer(host, "grpc", "plus", x)["y"].item() == 3, 20, "the next change is served")


VERSIONS = """
import numpy as np
from pytriton_plugins import Tensor, infer_func

X, Y = [Tensor("x", np.int64, ())], [Tensor("y", np.int64, ())]


@infer_func(name="plus", inputs=X, outputs=Y)
def first(x):
    return x + {number}


@infer_func(name="plus", version=2, inputs=X, outputs=Y)
def second(x):
    return x + {number} + 1
"""


def version(host: RunningHost, number: int) -> int:
    x = tritonclient.grpc.InferInput("x", [1, 1], "INT64")
    x.set_data_from_numpy(np.zeros((1, 1), np.int64))
    with tritonclient.grpc.InferenceServerClient(host.grpc) as client:
        return int(client.infer("plus", [x], model_version=str(number)).as_numpy("y").item())


def test_each_version_of_a_model_is_swapped(file: Path) -> None:
    file.write_text(VERSIONS.format(number=10))
    with run_host(file, options=["--reload"]) as host:
        assert (version(host, 1), version(host, 2)) == (10, 11)
        assert "has changed" not in host.log
        file.write_text(VERSIONS.format(number=20))
        wait_until(lambda: (version(host, 1), version(host, 2)) == (20, 21), 20, "both versions are the new ones")


@pytest.mark.parametrize(
    ("broken", "what"),
    [
        ("not valid Python\n", "SyntaxError"),
        (CLASS.format(setup="raise OSError('no weights')", number=1), "no weights"),
        ("import os\nos._exit(4)\n", "exit code 4"),
    ],
    ids=["import", "set-up", "exit"],
)
def test_a_plugin_that_was_broken_from_the_start_is_served_once_it_is_mended(
    file: Path, broken: str, what: str
) -> None:
    file.write_text(broken)
    with run_host(file, options=["--reload"], ready=False) as host:
        host.wait_settled()
        assert what in host.output
        file.write_text(CLASS.format(setup="raise OSError('nor here')", number=2))
        wait_until(lambda: "nor here" in host.log, 20, "the change was tried")
        file.write_text("import time\ntime.sleep(0.6)\n" + CLASS.format(setup="pass", number=3))
        host.wait_ready()  # not before it serves
        assert infer(host, "grpc", "plus", {"x": np.array([[0]])})["y"].item() == 3


def test_a_package_that_was_broken_from_the_start(tmp_path: Path) -> None:
    (tmp_path / "acme_plus").mkdir()
    module = tmp_path / "acme_plus" / "model.py"
    module.write_text("def (\n")
    (tmp_path / "acme_plus" / "__init__.py").touch()
    install(tmp_path, "acme-plus", {"pytriton_plugins.models": {"acme-plus": "acme_plus.model"}})
    env = {"PYTHONPATH": path_with(tmp_path), "PYTRITON_HOST_PLUGIN": "acme-plus"}
    with run_host(options=["--reload"], env=env, ready=False) as host:
        host.wait_settled()
        module.write_text("import time\ntime.sleep(0.6)\n" + SAME.format(number=9))
        host.wait_ready()
        assert infer(host, "grpc", "plus", {"x": np.array([[0]])})["y"].item() == 9
