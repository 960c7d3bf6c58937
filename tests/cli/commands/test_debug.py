"""`debug`: a model's worker in the foreground, with pdb at the terminal and without a server."""

from __future__ import annotations

import contextlib
import json
import os
import pstats
import pty
import select
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from pytriton_plugins.testing.host import PROGRAM
from tests.cli.conftest import Called
from tests.support.paths import MODELS
from tests.support.sandbox.fake_distributions import install

HEAD = """
import asyncio
import os
import threading
import time

import numpy as np
from pytriton_plugins import RequestError, Tensor, infer_func

X, Y = Tensor("x", np.float32, (-1,)), Tensor("y", np.float32, (-1,))
"""
MODEL = f"""{HEAD}

@infer_func(inputs=[X], outputs=[Y])
def stops(x):
    twice = 2 * x
    breakpoint()
    return twice


@infer_func(inputs=[Tensor("size", np.int64, ())], outputs=[Tensor("y", np.uint8, (-1,))], max_batch_size=0)
def large(size):
    return np.ones(int(size), np.uint8)


@infer_func(inputs=[X], outputs=[Tensor("main", bool, ()), Tensor("name", str, ())], threads=4)
class Scaled:
    def __init__(self, name="nobody"):
        print("made")
        self.name = name

    def __call__(self, x):
        print("called")
        return [threading.current_thread() is threading.main_thread()] * len(x), [self.name] * len(x)

    def close(self):
        print("closed")


@infer_func(inputs=[X], outputs=[Y])
async def waits(x):
    await asyncio.sleep(0)
    return -x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def stream(x):
    for value in x:
        if value < 0:
            raise RequestError(f"{{value}} is negative", code="INVALID_ARG")
        yield np.full(1, value)


@infer_func(inputs=[X], outputs=[Y])
def fails(x):
    raise ValueError("no such thing")


@infer_func(inputs=[X], outputs=[Y])
def sleeps(x):
    print("asleep")
    time.sleep(600)
"""


@pytest.fixture
def model(called: Called, tmp_path: Path) -> str:
    """The file's path for `serve` and `debug`; the program runs in the same folder."""
    (tmp_path / "model.py").write_text(MODEL)
    return "model.py"


def debug(folder: Path, *arguments: str, stdin: str = "", **env: str) -> subprocess.CompletedProcess[str]:
    """One call with standard input, which `called` does not offer."""
    command = [sys.executable, "-c", PROGRAM, "debug", *arguments]
    return subprocess.run(
        command, cwd=folder, input=stdin, env={**os.environ, **env}, capture_output=True, text=True, timeout=60
    )


def values(text: str) -> dict[str, object]:
    return {name: output["values"] for name, output in json.loads(text)["outputs"].items()}


def test_an_installed_model_is_asked_as_by_infer(called: Called) -> None:
    ran = called("debug", "add_sub", "a=1,2,3", "b=4,5,6")
    assert (ran.code, ran.err) == (0, "")
    rows = [line.split(None, 2) for line in ran.out.splitlines() if line.strip()]
    assert [row[0] for row in rows if row[0] in ("sum", "difference")] == ["sum", "difference"]
    assert "5, 7, 9" in ran.out
    ran = called("debug", "add_sub", "a=1,2", "b=[[4,5],[6,7]]", "--json")
    assert ran.code == 2
    ran = called("debug", "add_sub", "a=[[1,2],[3,4]]", "b=[[4,5],[6,7]]", "--json")
    assert values(ran.out) == {"sum": [[5, 7], [9, 11]], "difference": [[-3, -3], [-3, -3]]}


def test_pdb_reads_standard_input(model: str, tmp_path: Path) -> None:
    """Standard output holds the answer only."""
    done = debug(tmp_path, f"{model}:stops", "x=1,2", "--json", stdin="p twice\ntwice[0, 0] = 7\nc\n")
    assert done.returncode == 0, done.stderr
    assert "(Pdb) array([[2., 4.]], dtype=float32)" in done.stderr
    assert values(done.stdout) == {"y": [[7, 4]]}


def test_pdb_that_gives_up_fails_the_request(model: str, tmp_path: Path) -> None:
    done = debug(tmp_path, f"{model}:stops", "x=1", stdin="q\n")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1] == "pytriton-host: the request failed (INTERNAL): BdbQuit"


def test_pdb_on_a_terminal(model: str, tmp_path: Path) -> None:
    """The prompt comes before any input, and readline edits the line."""
    with on_a_terminal(tmp_path, f"{model}:stops", "x=3") as (process, terminal):
        assert "(Pdb) " in read_until(terminal, "(Pdb) ")
        os.write(terminal, b"p twice * 10\n")
        assert "array([[60.]], dtype=float32)" in read_until(terminal, "(Pdb) ")
        os.write(terminal, b"c\n")
        read_until(terminal, None)
        assert process.wait(30) == 0


def test_ctrl_c_ends_a_callable_that_never_returns(model: str, tmp_path: Path) -> None:
    with on_a_terminal(tmp_path, f"{model}:sleeps", "x=1") as (process, terminal):
        read_until(terminal, "asleep")
        os.write(terminal, b"\x03")
        assert "KeyboardInterrupt" in read_until(terminal, None)
        assert process.wait(30) == 1


@contextlib.contextmanager
def on_a_terminal(folder: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    ours, theirs = pty.openpty()
    command = ["setsid", "--ctty", sys.executable, "-c", PROGRAM, "debug", *arguments]
    process = subprocess.Popen(command, cwd=folder, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    try:
        yield process, ours
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def read_until(terminal: int, end: str | None) -> str:
    """The output up to ``end``, or until every process has closed the terminal."""
    text = ""
    while end is None or end not in text:
        assert select.select([terminal], [], [], 60)[0], text
        try:
            text += os.read(terminal, 4096).decode()
        except OSError:
            assert end is None, text
            break
    return text


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["waits", "x=1,2"], {"y": [[-1, -2]]}),
        (["large", "size=3"], {"y": [1, 1, 1]}),
    ],
)
def test_every_form(called: Called, model: str, arguments: Sequence[str], expected: object) -> None:
    ran = called("debug", f"{model}:{arguments[0]}", *arguments[1:], "--json")
    assert (ran.code, ran.err) == (0, "")
    assert values(ran.out) == expected


def test_a_class_has_its_settings_the_main_thread_and_its_end(called: Called, model: str) -> None:
    Path("pytriton-host.toml").write_text('[models.Scaled.settings]\nname = "somebody"\n')
    ran = called("debug", f"{model}:Scaled", "x=1", "--json")
    assert (ran.code, ran.err) == (0, "made\ncalled\nclosed\n")
    assert values(ran.out) == {"main": [[True]], "name": [["somebody"]]}


def test_an_answer_that_needs_more_shared_memory(called: Called, model: str) -> None:
    ran = called("debug", f"{model}:large", "size=5000000")
    assert (ran.code, ran.err) == (0, "")
    assert "[5000000]" in ran.out


def test_a_model_of_many_tensors(called: Called) -> None:
    """The declaration is too long for one message of the link."""
    module, long = MODELS / "wide.py", "x" * 200
    ran = called("debug", f"{module}:wide", f"feature_{long}_0=3", "label=a", "--json")
    assert (ran.code, ran.err) == (0, "")
    assert values(ran.out)[f"result_{long}_0"] == [[6]]


def test_a_stream_is_shown_response_by_response(called: Called, model: str) -> None:
    ran = called("debug", f"{model}:stream", "x=1,2,-3", "--json")
    assert [values(line) for line in ran.out.splitlines()] == [{"y": [1]}, {"y": [2]}]
    assert ran.code == 1
    assert ran.err == "pytriton-host: the request failed (INVALID_ARG): -3.0 is negative\n"


def test_a_failure_has_its_traceback_and_one_line(called: Called, model: str) -> None:
    ran = called("debug", f"{model}:fails", "x=1")
    assert (ran.code, ran.out) == (1, "")
    assert 'raise ValueError("no such thing")' in ran.err
    assert ran.err.splitlines()[0] == "ERROR pytriton.worker: model fails: a request failed"
    assert ran.err.splitlines()[-1] == "pytriton-host: the request failed (INTERNAL): ValueError: no such thing"


def test_a_profile_of_many_requests(called: Called, tmp_path: Path) -> None:
    ran = called("debug", "add_sub", "a=1", "b=2", "--repeat", "7", "--profile", "add.prof")
    assert ran.code == 0
    first, second = ran.err.splitlines()
    assert first.startswith("pytriton-host: 7 requests, ")
    assert second == f"pytriton-host: profile written; see it with 'python -m pstats {tmp_path}/add.prof'"
    counts = {name: figures[0] for (_, _, name), figures in pstats.Stats("add.prof").stats.items()}  # type: ignore[attr-defined]
    assert counts["add_sub"] == 7


def test_a_breakpoint_where_an_installed_plugin_is_imported(tmp_path: Path) -> None:
    """The child that looks for the model cannot import the plugin; the worker at this terminal can."""
    folder = tmp_path / "installed"
    folder.mkdir()
    source = f"{HEAD}\nbreakpoint()\n@infer_func(inputs=[X], outputs=[Y])\ndef same(x):\n    return x\n"
    install(folder, "acme-stop", {"pytriton_plugins.models": {"same": "acme_stop"}}, acme_stop=source)
    done = debug(tmp_path, "same", "x=1", "--json", stdin="c\n", PYTRITON_HOST_PLUGINS_DIR=str(folder))
    assert done.returncode == 0, done.stderr
    assert values(done.stdout) == {"y": [[1]]}


@pytest.mark.usefixtures("model")
@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["add_sob"], 2, "unknown model add_sob; did you mean add_sub?"),
        (["add_sub", "--model-version", "7"], 2, "has no model add_sub version 7; it has add_sub version 1"),
        (["add-sub"], 2, "unknown model add-sub; did you mean add_sub?"),
        (["model.py", "x=1"], 2, "model.py has several models: Scaled, fails, large, sleeps, stops, stream, waits; "),
        (["model.py:waits"], 2, "model waits: missing input; add x=VALUE"),
        (["model.py:waits", "x=@-"], 2, "@-: standard input is in use by pdb; write the name of a file"),
        (["model.py:waits", "--model-version", "2"], 2, "model.py:waits has no version 2; it has waits version 1"),
        (["model.py:waits", "1,2"], 2, "invalid input '1,2': expected NAME=VALUE"),
        (["nowhere.py"], 2, "nowhere.py is not a file"),
        (["broken.py"], 1, "import: "),
        (["model.py:waits", "x=1", "--profile", "."], 2, "--profile"),
    ],
)
def test_mistakes_are_one_line(called: Called, arguments: list[str], code: int, message: str) -> None:
    Path("broken.py").write_text("import nothing_of_that_name\n")
    ran = called("debug", *arguments)
    assert (ran.code, ran.out) == (code, "")
    (line,) = ran.err.splitlines()
    assert message in line


def test_a_worker_that_ends_is_told(called: Called, tmp_path: Path) -> None:
    source = "@infer_func(inputs=[X], outputs=[Y])\ndef ends(x):\n    os.kill(os.getpid(), 9)\n"
    (tmp_path / "ends.py").write_text(HEAD + source)
    ran = called("debug", "ends.py", "x=1")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == f"pytriton-host: its worker ended with killed by {signal.SIGKILL.name}\n"


def test_help_teaches(called: Called) -> None:
    text = called("debug", "--help").out
    assert "pytriton-host debug add_sub a=1,2,3 b=4,5,6" in text
    assert "c    continue" in text
