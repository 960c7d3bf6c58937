"""`infer` against a server over real gRPC: requests, output, and every mistake in one line."""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import Called, Echo, served


def test_the_batch_axis_is_added_and_the_answer_is_a_table(called: Called, echo_url: str) -> None:
    ran = called("infer", "echo", "text=hello, world", "numbers=1,2.5,3", "--url", echo_url)
    assert (ran.code, ran.err) == (0, "")
    lines = [line.split() for line in ran.out.splitlines() if line.strip()]
    assert lines[0] == ["output", "dtype", "shape", "values"]
    assert ["text", "BYTES", "[1,", "1]", "hello,", "world"] in lines
    assert ["numbers", "FP32", "[1,", "3]", "1,", "2.5,", "3"] in lines


def test_json_holds_everything(called: Called, echo_url: str, tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\x00")
    np.save(tmp_path / "grid.npy", np.arange(12, dtype=np.uint8).reshape(2, 2, 3))
    ran = called("infer", "echo", 'text=[["a"], ["b"]]', "grid=@grid.npy", "--url", f"grpc://{echo_url}", "--json")
    answer = json.loads(ran.out)
    assert (answer["schema"], answer["model"], answer["version"]) == (1, "echo", "1")
    assert answer["outputs"]["text"] == {"dtype": "BYTES", "shape": [2, 1], "values": [["a"], ["b"]]}
    assert answer["outputs"]["grid"]["values"] == np.arange(12).reshape(2, 2, 3).tolist()
    ran = called("infer", "flat", "text=@binary", "numbers=nan,1", "--url", echo_url, "--json")
    outputs = json.loads(ran.out)["outputs"]
    assert outputs["text"]["values"] == [{"base64": "/wA="}]
    assert outputs["numbers"]["values"] == ["nan", 1.0]


def test_standard_input(called: Called, echo_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "in").write_bytes(b"from a pipe")
    with (tmp_path / "in").open() as stream:
        monkeypatch.setattr(sys, "stdin", stream)
        ran = called("infer", "echo", "text=@-", "--url", echo_url)
    assert "from a pipe" in ran.out


def test_text_from_the_server_cannot_style_or_move(called: Called, echo_url: str) -> None:
    ran = called("infer", "echo", "text=[red]a\x1b[2J", "--url", echo_url)
    assert ran.code == 2
    assert "invalid JSON" in ran.err
    ran = called("infer", "echo", 'text=["[red]a\\u001b[2J"]', "--url", echo_url)
    assert r"[red]a\x1b[2J" in ran.out


def test_waiting_for_a_server_that_is_not_ready_yet(called: Called) -> None:
    echo = Echo(asked=3)
    with served(echo) as url:
        ran = called("infer", "echo", 'text=["a"]', "--url", url, "--wait", "30")
        assert (ran.code, ran.err, echo.left) == (0, "", 0)
        echo.left = 1_000_000
        ran = called("infer", "echo", 'text=["a"]', "--url", url, "--wait", "3")
        assert ran.code == 1
        assert ran.err.strip() == (
            f"pytriton-host: the server at {url} (gRPC) is not ready after 3 s: it reports that it is not ready"
        )
        # Without --wait `infer` does not ask for readiness.
        assert called("infer", "echo", 'text=["a"]', "--url", url).code == 0


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_waiting_for_a_server_that_is_not_there(called: Called, protocol: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"127.0.0.1:{taken.getsockname()[1]}"
        ran = called("infer", "echo", "text=a", "--url", url, "--protocol", protocol, "--wait", "0.5")
    assert ran.code == 1
    assert f"the server at {url} " in ran.err
    assert " is not ready after 0.5 s: " in ran.err
    assert len(ran.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        (["nothing", "a=1"], 1, r"answers: unknown model \x1b[31m'nothing' is not found"),
        (["echo", "txt=1"], 2, "model echo: unknown input txt; did you mean text?; its inputs are numbers (FP32 [-1]"),
        (["echo", "numbers=1"], 2, "model echo: missing input; add text=VALUE; its inputs are"),
        (["echo", "text=a", "numbers=1,x"], 2, "input numbers: invalid number 'x'"),
        (["echo", "text=a", "numbers=[[1],[2,3]]"], 2, "input numbers: its lists differ in length or depth"),
        (["echo", "text=a", "grid=1,2,3"], 2, "input grid: invalid shape [3]: expected [2, 3]"),
        (["echo", 'text=["a", "b"]'], 2, 'expected [1]; for 2 rows write [["a"], ["b"]]'),
        (["echo", "text=a", "grid=[1,2,3,4,5,6,7,8,9,10,11,12]"], 2, "for 2 rows write [[[1, 2, 3], [4, 5, 6]], [["),
        (["echo", f"text={['a' * 40] * 9}".replace("'", '"')], 2, "; for 9 rows write brackets around each row"),
        (["echo", 'text=["a","b","c","d"]'], 2, '; for 4 rows write [["a"], ["b"], ["c"], …]'),
        (["echo", "text=a", "grid=1,2,3,4,5,256"], 2, "input grid: invalid value 256: expected 0 to 255 for UINT8"),
        (["echo", "text=a", "numbers=[[1],[2]]"], 2, "differ in their number of rows (text 1, numbers 2)"),
        (["echo", "text=@nothing"], 2, "input text: file 'nothing' cannot be read: No such file"),
        (["echo", "text"], 2, "invalid input 'text': expected NAME=VALUE"),
        (["echo", "text=a", "text=b"], 2, "input text is given twice"),
        (["echo", "text=a", "--model-version", "new"], 2, "--model-version: invalid version 'new'"),
        ([], 2, "Missing argument 'MODEL'"),
    ],
)
def test_each_mistake_is_one_line(
    called: Called, echo_url: str, arguments: list[str], code: int, expected: str
) -> None:
    ran = called("infer", *arguments, "--url", echo_url)
    assert (ran.code, ran.out) == (code, "")
    assert expected in ran.err
    assert ran.err.startswith("pytriton-host: ")
    assert ran.err.count("\n") == 1


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_no_server(called: Called, protocol: str) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"127.0.0.1:{unused.getsockname()[1]}"
        ran = called("infer", "echo", "text=a", "--url", url, "--protocol", protocol)
    assert ran.code == 1
    assert ran.err.startswith(f"pytriton-host: no server answers at {url}")
    assert ran.err.count("\n") == 1


def test_the_wrong_protocol(called: Called, echo_url: str) -> None:
    ran = called("infer", "echo", "text=a", "--url", f"http://{echo_url}")
    assert ran.code == 1
    assert f"at {echo_url} (HTTP)" in ran.err
    assert ran.err.count("\n") == 1


def test_an_address_that_cannot_be(called: Called) -> None:
    ran = called("infer", "echo", "text=a", "--url", "https://localhost:1")
    assert (ran.code, ran.err.count("\n")) == (2, 1)
    assert "unknown scheme https://; write HOST:PORT" in ran.err
