"""The server that `infer` calls: from --url, --protocol or their variables, else the running daemon."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytriton_plugins.cli.infer.address import Address, Given, Locator
from pytriton_plugins.errors import ConfigError
from pytriton_plugins.testing import RunningHost
from pytriton_plugins.testing.host import PROGRAM
from tests.cli.conftest import Called
from tests.support.sandbox.lone_host import lone_host

MODEL = """
from pytriton_plugins import Tensor, infer_func

TEXT = [Tensor("text", str, ())]

@infer_func(inputs=TEXT, outputs=[Tensor("loud", str, ())])
def shout(text):
    return {"loud": [each.upper() for each in text]}

@infer_func(inputs=TEXT, outputs=[Tensor("part", str, ())], max_batch_size=0)
def parts(text):
    yield {"part": text}
"""


@pytest.mark.parametrize(
    ("url", "protocol", "address"),
    [
        ("h:1", None, Address("grpc", "h:1")),
        ("h", None, Address("grpc", "h:8001")),
        ("grpc://h/", None, Address("grpc", "h:8001")),
        ("http://h", None, Address("http", "h:8000", "write --url grpc://HOST:PORT")),
        ("http://", None, Address("http", "localhost:8000", "write --url grpc://HOST:PORT")),
        ("::1", None, Address("grpc", "[::1]:8001")),
        ("[::1]", None, Address("grpc", "[::1]:8001")),
        ("[fd00::2]:9", None, Address("grpc", "[fd00::2]:9")),
        ("http://[::1]:9", None, Address("http", "[::1]:9", "write --url grpc://HOST:PORT")),
        ("h", Given("http", "--protocol"), Address("http", "h:8000", "remove --protocol http")),
        ("h", Given("http", "VARIABLE", typed=False), Address("http", "h:8000", "unset VARIABLE")),
        ("grpc://h", Given("http", "VARIABLE", typed=False), Address("grpc", "h:8001")),
        ("http://h", Given("http", "--protocol"), Address("http", "h:8000", "write --url grpc://HOST:PORT")),
    ],
)
def test_the_url_chooses_the_protocol(url: str, protocol: Given | None, address: Address) -> None:
    assert Locator(Given(url, "--url"), protocol).find() == address


def test_contradictory_options_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"^URL starts with grpc:// and --protocol is http; remove one of them$"):
        Locator(Given("grpc://h", "URL", typed=False), Given("http", "--protocol"))
    with pytest.raises(
        ConfigError, match=r"^--url names a server, and --run-dir or --pid a running daemon; remove one"
    ):
        Locator(Given("h", "--url"), None, run_dir="/run")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tmp")


@pytest.fixture(scope="module")
def host(folder: Path) -> Iterator[RunningHost]:
    with lone_host(folder, MODEL) as running:
        yield running


@pytest.fixture
def infer(called: Called, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Called:
    monkeypatch.setenv("TMPDIR", str(folder))
    return lambda *arguments: called("infer", *arguments)


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_the_running_host_is_found(infer: Called, host: RunningHost, protocol: str) -> None:
    for options in ([], [f"--pid={host.process.pid}"]):
        ran = infer("shout", "text=a", f"--protocol={protocol}", *options)
        assert (ran.code, ran.err) == (0, "")
        assert "A" in ran.out


def test_a_host_that_is_typed_wins_over_a_url_of_a_variable(
    infer: Called, host: RunningHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTRITON_HOST_URL", "nowhere.invalid:1")
    assert infer("shout", "text=a", f"--pid={host.process.pid}").code == 0
    monkeypatch.setenv("PYTRITON_HOST_RUN_DIR", "/nowhere")
    assert infer("shout", "text=a", f"--url={host.grpc}").code == 0


def test_its_models_are_told(infer: Called, host: RunningHost) -> None:
    ran = infer("shuot", "text=a")
    assert ran.code == 1
    assert f"the server at {host.grpc} (gRPC) answers: " in ran.err
    assert ran.err.endswith("; it serves shout, parts\n")


def test_several_rows_are_shown_as_they_are_written(infer: Called, host: RunningHost) -> None:
    ran = infer("shout", 'text=["a", "bé"]')
    assert ran.err == ('pytriton-host: input text: invalid shape [2]: expected [1]; for 2 rows write [["a"], ["bé"]]\n')
    assert infer("shout", 'text=[["a"], ["bé"]]').code == 0


def test_a_protocol_that_cannot_stream_says_what_chose_it(
    infer: Called, host: RunningHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = (
        "pytriton-host: model parts streams its responses; {}, or use curl -N with /v2/models/parts/generate_stream\n"
    )
    ran = infer("parts", "text=a", "--url", f"http://{host.http}")
    assert ran.err == message.format("write --url grpc://HOST:PORT")
    ran = infer("parts", "text=a", "--protocol", "http")
    assert ran.err == message.format("remove --protocol http")
    monkeypatch.setenv("PYTRITON_HOST_PROTOCOL", "http")
    assert infer("parts", "text=a").err == message.format("unset PYTRITON_HOST_PROTOCOL")
    assert infer("parts", "text=a", "--url", f"grpc://{host.grpc}").code == 0


def test_a_host_that_is_not_there(infer: Called) -> None:
    ran = infer("shout", "text=a", "--pid=1")
    assert (ran.code, ran.err.count("\n")) == (1, 1)
    assert ran.err.startswith("pytriton-host: no pytriton-host with pid 1 of this user runs")


def test_waiting_for_a_host_that_is_still_to_be_started(tmp_path: Path) -> None:
    run_dir = f"--run-dir={tmp_path / 'run'}"
    command = [sys.executable, "-c", PROGRAM, "infer", "shout", "text=a", "--wait=120", run_dir]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as waiting,
        lone_host(tmp_path, MODEL, [run_dir]),
    ):
        printed, error = waiting.communicate(timeout=120)
    assert (waiting.returncode, error) == (0, "")
    assert "A" in printed
