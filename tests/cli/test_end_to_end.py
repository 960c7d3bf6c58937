"""`infer` against a whole host: real tritonserver, real workers, both protocols, and the printed samples."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator

import pytest

from pytriton_plugins.testing import RunningHost, run_host, wait_until
from tests.cli.conftest import Called

MODEL = """
import numpy as np
from pytriton_plugins import Tensor, infer_func

PAIR = [Tensor("a", np.float32, (-1,)), Tensor("b", np.float32, (-1,))]

@infer_func(inputs=PAIR, outputs=[Tensor("sum", np.float32, (-1,))])
def add(a, b):
    return a + b

@infer_func(
    inputs=[Tensor("text", str, ()), Tensor("times", np.int64, (), optional=True)],
    outputs=[Tensor("loud", str, ()), Tensor("raw", bytes, ())],
    max_batch_size=0,
)
def shout(text, times=np.int64(1)):
    return {"loud": str(text).upper() * int(times), "raw": b"\\xff[red]"}
"""


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHost]:
    path = tmp_path_factory.mktemp("models") / "model.py"
    path.write_text(MODEL)
    with run_host(path, options=[f"--run-dir={path.parent}"]) as running:
        yield running


@pytest.fixture(params=["grpc", "http"])
def url(request: pytest.FixtureRequest, host: RunningHost) -> str:
    return f"{request.param}://{getattr(host, request.param)}"


def outputs(called: Called, url: str, *arguments: str) -> dict[str, object]:
    ran = called("infer", *arguments, "--json", "--url", url)
    assert (ran.code, ran.err) == (0, "")
    return {name: output["values"] for name, output in json.loads(ran.out)["outputs"].items()}


def test_numbers(called: Called, url: str) -> None:
    assert outputs(called, url, "add", "a=1,2,3", "b=4,5,6") == {"sum": [[5, 7, 9]]}
    assert outputs(called, url, "add", "a=[[1],[2]]", "b=[[3],[4]]") == {"sum": [[4], [6]]}


def test_strings_and_an_optional_input(called: Called, url: str) -> None:
    assert outputs(called, url, "shout", "text=hé")["loud"] == ["HÉ"]
    assert outputs(called, url, "shout", "text=a", "times=3") == {"loud": ["AAA"], "raw": [{"base64": "/1tyZWRd"}]}


def test_the_table_shows_bytes_as_they_stand(called: Called, url: str) -> None:
    assert r"\xff[red]" in called("infer", "shout", "text=a", "--url", url).out


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["nope", "a=1"], "unknown model: 'nope' is not found; the table that 'pytriton-host serve' prints"),
        (["add", "a=1", "b=2", "--model-version", "7"], "unknown model: 'add' version 7 is not found"),
        (["add", "a=1,2,3", "b=1,2"], "ValueError: operands could not be broadcast"),
    ],
)
def test_an_error_of_the_server_is_one_line(called: Called, url: str, arguments: list[str], expected: str) -> None:
    ran = called("infer", *arguments, "--url", url)
    assert (ran.code, ran.out) == (1, "")
    assert expected in ran.err
    assert ran.err.count("\n") == 1


def test_status_names_the_exception_of_a_failed_request(called: Called, host: RunningHost) -> None:
    assert called("infer", "add", "a=1,2,3", "b=1,2", "--url", host.grpc).code == 1
    (run_dir,) = re.findall(r"--run-dir=(\S+)", " ".join(map(str, host.process.args)))  # type: ignore[arg-type]

    def messages() -> list[str]:
        status = json.loads(called("status", "--json", "--run-dir", run_dir).out)
        return [each["message"] for each in status["errors"]]

    error = "model add: a request failed: ValueError: operands could not be broadcast"
    wait_until(lambda: any(message.startswith(error) for message in messages()), 10, "the log has come")


def test_the_lines_to_paste_work(called: Called, host: RunningHost) -> None:
    host.wait_settled()
    lines = [line.strip() for line in host.output.splitlines() if line.strip().startswith("pytriton-host infer ")]
    assert len(lines) == 2
    for line in lines:
        ran = called(*shlex.split(line)[1:])
        assert (ran.code, ran.err) == (0, ""), line
