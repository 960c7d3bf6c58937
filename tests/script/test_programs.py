"""Programs that own a daemon: how they may be written, and that nothing outlives them."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytriton_plugins.discovery.entry_points import HOOKS_GROUP
from pytriton_plugins.testing import wait_until
from tests.support.sandbox.fake_distributions import install
from tests.support.sandbox.frames import WATCH
from tests.support.sandbox.leftovers import Mark
from tests.support.traffic.scripts import MODEL, TYPED_PORTS

SOON = 60.0
"""Seconds after which a wait of these tests fails."""

CALL = """
import json, urllib.request

def scaled_by(host, x):
    tensor = {"name": "x", "shape": [1, 1], "datatype": "FP32", "data": [x]}
    request = json.dumps({"inputs": [tensor]}).encode()
    with urllib.request.urlopen(f"{host.http_url}/v2/models/scaled/infer", request) as response:
        return json.load(response)["outputs"][0]["data"][0]
"""
SCRIPT = f"""
import logging, sys
from pytriton_plugins import Host
from helper_of_the_script import FACTOR
{CALL}
{MODEL}

logging.basicConfig(level=logging.INFO)
with Host({TYPED_PORTS}) as host:
    host.add(scaled)
    print(scaled_by(host, 3), flush=True)
print("closed")
"""
WAITS = f"""
import sys
from pytriton_plugins import Host

host = Host({TYPED_PORTS}, drain_timeout=60)
print(host.pid, flush=True)
END
"""
"""A program with a host that it does not close; END stands for what it does then."""


def run(*arguments: str, folder: Path, mark: Mark) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, **mark.env},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@contextlib.contextmanager
def begun(
    command: list[str], mark: Mark, stdout: int | None = None, stderr: int | None = None
) -> Iterator[subprocess.Popen[str]]:
    """A program that runs; at the end everything that it has started is killed."""
    environment = {**os.environ, **mark.env}
    with subprocess.Popen(command, stdout=stdout, stderr=stderr, text=True, env=environment) as process:
        try:
            yield process
        finally:
            for pid in mark.processes():
                os.kill(pid, signal.SIGKILL)


@contextlib.contextmanager
def running(program: str, mark: Mark) -> Iterator[subprocess.Popen[str]]:
    """A program whose host is ready."""
    command = [sys.executable, "-c", program]
    with begun(command, mark, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert int(process.stdout.readline()) in mark.processes()
        yield process


def gone(mark: Mark) -> None:
    wait_until(lambda: not mark.processes(), SOON, "no process of the daemon is left")


def test_a_script_without_a_guard(tmp_path: Path) -> None:
    """A worker imports the part of the script that stands above the host, and modules beside the script."""
    (tmp_path / "helper_of_the_script.py").write_text("FACTOR = 4\n")
    script = tmp_path / "own_script.py"
    script.write_text(SCRIPT)
    mark = Mark()
    done = run(str(script), folder=Path("/"), mark=mark)
    assert (done.returncode, done.stdout) == (0, "12.0\nclosed\n"), done.stderr
    assert done.stderr.count("INFO:pytriton.health:ready") == 1
    assert mark.processes() == {}


FIRST = f"""
import sys
import numpy as np
from pytriton_plugins import Host, Tensor

if sys.argv[1:]:
    import logging
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
with Host({TYPED_PORTS}) as host:
    tensors = {{"inputs": [Tensor("x", np.float32, (1,))], "outputs": [Tensor("y", np.float32, (1,))]}}
    host.attach(lambda x: x, name="attached", **tensors)
    print("served")
"""


def test_what_a_first_script_shows(tmp_path: Path) -> None:
    """Nothing but its own output; with `logging` the start, the addresses and the models, without an empty table."""
    (tmp_path / "first.py").write_text(FIRST)
    mark = Mark()
    done = run("first.py", folder=tmp_path, mark=mark)
    assert (done.returncode, done.stdout, done.stderr) == (0, "served\n", "")
    done = run("first.py", "logged", folder=tmp_path, mark=mark)
    lines = [" ".join(line.split()[:4]) for line in done.stderr.splitlines()]
    assert [re.sub(r"\S*/\S+|\d+", "…", line) for line in lines] == [
        "pytriton.tritonserver: starting … named",
        "pytriton.health: ready",
        "pytriton.host: HTTP … gRPC",
        "pytriton.host: model attached: process",
        "pytriton.host: model attached version",
        "pytriton.host: stopping",
    ]


def test_a_module_that_is_run_by_name_needs_a_guard(tmp_path: Path) -> None:
    (tmp_path / "helper_of_the_script.py").write_text("FACTOR = 4\n")
    package = tmp_path / "own_package"
    package.mkdir()
    above, below = SCRIPT.split("logging.basicConfig")
    (package / "unguarded.py").write_text(SCRIPT)
    guarded = "".join(f"    {line}\n" for line in f"logging.basicConfig{below}".splitlines())
    (package / "guarded.py").write_text(f"{above}if __name__ == '__main__':\n{guarded}")
    mark = Mark()
    done = run("-m", "own_package.guarded", folder=tmp_path, mark=mark)
    assert (done.returncode, done.stdout) == (0, "12.0\nclosed\n"), done.stderr
    failed = run("-m", "own_package.unguarded", folder=tmp_path, mark=mark)
    assert failed.returncode == 1
    assert "RestOfScript: it starts a Host; start that below if __name__ == '__main__':" in failed.stderr
    assert mark.processes() == {}


def test_a_callable_of_a_program_without_a_file(tmp_path: Path) -> None:
    mark = Mark()
    program = f"FACTOR = 2{MODEL}\nfrom pytriton_plugins import Host\nHost({TYPED_PORTS}).add(scaled)"
    done = run("-c", program, folder=tmp_path, mark=mark)
    assert done.returncode == 1
    assert "DiscoveryError: scaled is not in a file, and a worker cannot import it; write it into" in done.stderr
    assert mark.processes() == {}


@pytest.mark.parametrize(
    ("end", "code"),
    [("", 0), ("raise SystemExit(3)", 3), ("1 / 0", 1), ("with host: 1 / 0", 1)],
    ids=["end", "exit", "error", "error-inside"],
)
def test_the_daemon_ends_with_the_program(end: str, code: int) -> None:
    mark = Mark()
    with running(WAITS.replace("END", end), mark) as process:
        assert process.wait(SOON) == code
        assert mark.processes() == {}


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_nothing_is_left_of_a_program_that_a_signal_kills(number: signal.Signals) -> None:
    mark = Mark()
    with running(WAITS.replace("END", "host.wait()"), mark) as process:
        process.send_signal(number)
        assert process.wait(SOON) == -number
        gone(mark)


def test_a_program_that_is_killed_in_the_middle_of_a_start(tmp_path: Path) -> None:
    mark = Mark()
    slow = tmp_path / "slow_import.py"
    slow.write_text("import time\ntime.sleep(600)\n")
    program = f"from pytriton_plugins import Host\nprint(0, flush=True)\nHost({str(slow)!r}, {TYPED_PORTS})"
    command = [sys.executable, "-c", program]
    with begun(command, mark, stdout=subprocess.PIPE) as process:
        wait_until(mark.workers, SOON, "the worker runs")
        process.kill()
        gone(mark)


def test_a_program_that_is_killed_while_its_daemon_imports_a_hook_plugin(tmp_path: Path) -> None:
    mark = Mark()
    imported = tmp_path / "imported"
    source = f"import pathlib, time\npathlib.Path({str(imported)!r}).touch()\ntime.sleep(600)\n"
    install(tmp_path, "hanging", {HOOKS_GROUP: {"hanging": "hanging_hooks"}}, hanging_hooks=source)
    program = f"from pytriton_plugins import Host\nHost({TYPED_PORTS}, plugins_dir={str(tmp_path)!r})"
    with begun([sys.executable, "-c", program], mark) as process:
        wait_until(imported.exists, SOON, "the plugin is imported")
        process.kill()
        gone(mark)


def test_ctrl_c_ends_the_wait_and_not_the_program(tmp_path: Path) -> None:
    mark = Mark()
    seen = tmp_path / "seen"
    end = f"{WATCH}\nwatch('process.py', 'wait', {str(seen)!r})\n"
    end += "host.wait()\nprint('after', flush=True)\nhost.close()\nprint('closed', flush=True)"
    with running(WAITS.replace("END", end), mark) as process:
        wait_until(seen.exists, SOON, "it waits")
        # As a terminal does: to the process group. The daemon has a session of its own.
        for pid in mark.processes():
            if os.getpgid(pid) == os.getpgid(process.pid):
                os.kill(pid, signal.SIGINT)
        output, errors = process.communicate(timeout=SOON)
        assert (process.returncode, output) == (0, "after\nclosed\n"), errors
        assert mark.processes() == {}


def test_ctrl_c_in_the_middle_of_a_start_leaves_nothing(tmp_path: Path) -> None:
    mark = Mark()
    slow = tmp_path / "slow_import.py"
    slow.write_text("import time\ntime.sleep(600)\n")
    program = f"from pytriton_plugins import Host\nHost({str(slow)!r}, {TYPED_PORTS})"
    with begun([sys.executable, "-c", program], mark, stderr=subprocess.PIPE) as process:
        wait_until(mark.workers, SOON, "the worker runs")
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=SOON)
        assert errors.rstrip().endswith("KeyboardInterrupt")
        gone(mark)


def test_a_child_of_multiprocessing_starts_no_daemon(tmp_path: Path) -> None:
    """A child of the kind "spawn" imports the program anew."""
    script = tmp_path / "spawning.py"
    script.write_text(
        f"import multiprocessing\nfrom pytriton_plugins import Host\n"
        f"with Host({TYPED_PORTS}) as host:\n"
        "    child = multiprocessing.get_context('spawn').Process(target=print)\n"
        "    child.start()\n    child.join()\n    print(child.exitcode)\n"
    )
    mark = Mark()
    done = run(str(script), folder=tmp_path, mark=mark)
    assert (done.returncode, done.stdout) == (0, "1\n")
    message = (
        "HostError: a child process of multiprocessing imports this program; start the Host below if __name__ == "
        "'__main__':"
    )
    assert message in done.stderr
    assert mark.processes() == {}
