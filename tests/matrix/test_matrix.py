"""One Python with one numpy: serving, a killed worker, a normal end; `tox -m matrix` runs it in each combination."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Iterator

import numpy as np
import pytest

from pytriton_plugins.testing import RunningHost, run_host, wait_until
from tests.support.paths import MODELS
from tests.support.sandbox.leftovers import Mark, ports_taken, shared_memory
from tests.support.traffic.clients import PROTOCOLS, attempt, infer, texts

TARGETS = (
    "pytriton_plugins_add_sub",
    f"{MODELS / 'kinds.py'}:mirror",
    f"{MODELS / 'kinds.py'}:strings",
    str(MODELS / "life.py"),
)


@pytest.fixture(scope="module")
def host() -> Iterator[RunningHost]:
    with run_host(*TARGETS) as running:
        yield running


def test_these_are_the_interpreter_and_the_numpy_of_the_environment(
    host: RunningHost, capsys: pytest.CaptureFixture[str]
) -> None:
    with capsys.disabled():
        print(f"\nPython {sys.version.split()[0]} at {sys.executable}, numpy {np.__version__}")
    name = re.fullmatch(r"py(\d)(\d+)-numpy(\d)", os.environ["TOX_ENV_NAME"])
    assert name is not None
    assert sys.version_info[:2] == (int(name[1]), int(name[2]))
    assert np.__version__.split(".")[0] == name[3]
    assert name[3] != "1" or np.__version__.startswith("1.26.")
    worker = infer(host, "grpc", "life", {"what": texts(""), "gate": texts("/-")})["pid"].item()
    assert os.path.samefile(f"/proc/{worker}/exe", sys.executable)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_add_sub(host: RunningHost, protocol: str) -> None:
    a = np.array([[1.0, 2.5, -3.0], [0.0, 1e6, 0.125]], np.float32)
    b = np.array([[4.0, 0.5, 3.0], [-1.0, 1.0, 0.25]], np.float32)
    answer = infer(host, protocol, "add_sub", {"a": a, "b": b})
    assert answer["sum"].tolist() == [[5.0, 3.0, 0.0], [-1.0, 1000001.0, 0.375]]
    assert answer["difference"].tolist() == [[-3.0, 2.0, -6.0], [1.0, 999999.0, -0.125]]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_dtype(host: RunningHost, protocol: str) -> None:
    kinds = ["bool", "float16", "float32", "float64"]
    kinds += [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]
    given = {kind: np.array([[[0, 1], [1, 1], [1, 0]]]).astype(kind) for kind in kinds}
    answer = infer(host, protocol, "mirror", given)
    for kind, array in given.items():
        assert answer[kind].dtype == array.dtype
        assert answer[kind].tolist() == array[:, ::-1].tolist()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_strings(host: RunningHost, protocol: str) -> None:
    answer = infer(host, protocol, "strings", {"raw": texts(b"\x00\xff", b""), "text": texts("größer", "日本")})
    assert answer["raw"].tolist() == [[b"\xff\x00", b""]]
    assert [item.decode() for item in answer["text"][0]] == ["GRÖSSER", "日本"]
    assert answer["lengths"].tolist() == [[6, 2]]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_model_that_fails(host: RunningHost, protocol: str) -> None:
    failed = attempt(
        host, protocol, "add_sub", {name: np.ones((1, size), np.float32) for name, size in (("a", 2), ("b", 3))}
    )
    assert failed.error.startswith("ValueError: operands could not be broadcast together")


def test_a_killed_worker_is_replaced_and_the_end_is_clean() -> None:
    mark, names = Mark(), shared_memory()
    nothing = {"what": texts(""), "gate": texts("/-")}
    with run_host(MODELS / "life.py", env=mark.env) as host:
        before = infer(host, "http", "life", nothing)["pid"].item()
        os.kill(before, signal.SIGKILL)
        wait_until(lambda: before not in mark.workers(), what="the worker has ended")
        assert infer(host, "http", "life", nothing)["pid"].item() != before
        assert host.stop() == 0
        wait_until(lambda: not mark.processes(), 10, "every process has ended")
        assert ports_taken(host) == []
        wait_until(lambda: shared_memory() <= names, 10, "no shared memory is left")
