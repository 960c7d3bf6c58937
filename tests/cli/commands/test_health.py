"""`health` of a real host that starts, serves, is not ready, and has ended."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytriton_plugins.errors import ControlError
from pytriton_plugins.host.control.client import find_host
from pytriton_plugins.testing import RunningHost, run_host, wait_until
from pytriton_plugins.testing.host import PROGRAM
from tests.support.paths import MODELS
from tests.support.sandbox.command import call_host
from tests.support.sandbox.fake_distributions import install, path_with
from tests.support.sandbox.leftovers import freeze

SCALARS = f"{MODELS / 'kinds.py'}:scalars"
CHECKS = ("live", "ready", "startup")
HOOK = """
    import os
    from pathlib import Path

    from pytriton_plugins import hookimpl
    from pytriton_plugins.values import Verdict

    def said(name):
        return Verdict(not Path(os.environ["VERDICTS"], name).exists(), f"there is a file {name}\\nand \\x1b[31m")

    @hookimpl
    def pytriton_check_readiness(host):
        return said("not-ready")

    @hookimpl
    def pytriton_check_liveness(host):
        return said("dead")
"""


def health(check: str, folder: Path) -> tuple[int, str]:
    """Exit code and standard error of ``health CHECK`` for the host in ``folder``."""
    done = call_host("health", f"--run-dir={folder}", "--timeout=60", check)
    assert done.stdout == ""
    return done.returncode, done.stderr


@contextlib.contextmanager
def running(folder: Path, *targets: str | Path, **more: object) -> Iterator[RunningHost]:
    with run_host(*(targets or [SCALARS]), options=[f"--run-dir={folder}"], **more) as host:  # type: ignore[arg-type]
        yield host


def test_from_the_start_to_the_end(tmp_path: Path) -> None:
    folder, gate, verdicts = tmp_path / "run", tmp_path / "import", tmp_path / "verdicts"
    os.mkfifo(gate)
    verdicts.mkdir()
    install(tmp_path / "site", "acme-guard", {"pytriton_plugins.hooks": {"guard": "acme_guard"}}, acme_guard=HOOK)
    env = {"LIFE_AT_IMPORT": "block", "LIFE_GATE": str(gate), "VERDICTS": str(verdicts)}
    env["PYTHONPATH"] = path_with(tmp_path / "site")
    with running(folder, MODELS / "life.py", ready=False, env=env) as host:
        wait_until(lambda: health("live", folder) == (0, ""), 20, "it is alive")
        assert health("ready", folder) == (1, f"pytriton-host: not ready: starting: importing {MODELS / 'life.py'} …\n")
        assert health("startup", folder)[0] == 1
        assert not (folder / "host.json").exists()
        (verdicts / "not-ready").touch()
        gate.write_bytes(b"")
        wait_until(lambda: health("startup", folder) == (0, ""), 20, "it has started")
        reason = "guard (acme-guard 1.0): there is a file not-ready and \\x1b[31m"
        wait_until(lambda: health("ready", folder) == (1, f"pytriton-host: not ready: {reason}\n"), 20, "it says why")
        (verdicts / "not-ready").unlink()
        wait_until(lambda: health("ready", folder) == (0, ""), 20, "it is ready")
        assert host.status("/v2/health/ready") == 200
        os.kill(host.process.pid, 9)
        host.process.wait()
        assert [health(check, folder)[0] for check in CHECKS] == [1, 1, 1]
        assert health("live", folder)[1] == f"pytriton-host: no pytriton-host of this user runs in {folder}\n"


def test_a_liveness_verdict(tmp_path: Path) -> None:
    """After a verdict of not alive the host stops once no request is in flight."""
    folder, gate = tmp_path / "run", tmp_path / "call"
    os.mkfifo(gate)
    install(tmp_path / "site", "acme-guard", {"pytriton_plugins.hooks": {"guard": "acme_guard"}}, acme_guard=HOOK)
    env = {"PYTHONPATH": path_with(tmp_path / "site"), "VERDICTS": str(tmp_path)}
    with running(folder, MODELS / "life.py", env=env, drain_timeout=None) as host:
        assert health("live", folder) == (0, "")
        body = {"inputs": [{"name": n, "datatype": "BYTES", "shape": [1, 1], "data": [d]} for n, d in _wait(gate)]}
        command = [sys.executable, "-c", _SEND, host.http, repr(body)]
        with subprocess.Popen(command) as client:
            wait_until(lambda: Path(f"{gate}.pid").exists(), 10, "the request is in flight")
            (tmp_path / "dead").touch()
            output = "pytriton-host: not alive: guard (acme-guard 1.0): there is a file dead and \\x1b[31m\n"
            wait_until(lambda: health("live", folder) == (1, output), 10, "it says that it is not alive")
            gate.write_bytes(b"")
            assert host.process.wait(60) == 1
            client.wait(60)


def _wait(gate: Path) -> list[tuple[str, str]]:
    return [("what", "wait"), ("gate", str(gate))]


_SEND = """
import ast, http.client, json, sys
connection = http.client.HTTPConnection(sys.argv[1], timeout=60)
connection.request("POST", "/v2/models/life/infer", json.dumps(ast.literal_eval(sys.argv[2])))
connection.getresponse()
"""


def test_a_host_that_hangs_is_not_alive(tmp_path: Path) -> None:
    """After SIGSTOP the kernel still accepts connections, but the host does not answer."""
    with running(tmp_path) as host:
        freeze(host.process.pid)
        try:
            done = call_host("health", "live", "--run-dir", str(tmp_path), "--timeout=0.3")
        finally:
            os.kill(host.process.pid, 18)
        assert done.returncode == 1
        assert (
            done.stderr == f"pytriton-host: the pytriton-host with pid {host.process.pid} did not answer within 0.3 s\n"
        )


def test_options_and_variables_choose_the_daemon(tmp_path: Path) -> None:
    env = {"TMPDIR": str(tmp_path)}

    def ask(*options: str) -> tuple[int, str]:
        done = call_host("health", "ready", *options, env=env)
        return done.returncode, done.stderr

    code, output = ask()
    assert code == 1
    assert output.startswith(
        "pytriton-host: no pytriton-host of this user runs; if it was started with --run-dir, name"
    )
    with run_host(SCALARS, env=env) as first:
        assert ask() == (0, "")
        with run_host(SCALARS, env=env) as second:
            pids = sorted([first.process.pid, second.process.pid])
            code, output = ask()
            assert code == 1
            first_line, *lines = output.splitlines()
            assert first_line == (
                "pytriton-host: several pytriton-hosts run; choose one with --pid PID or --run-dir DIR"
            )
            hosts = sorted((first, second), key=lambda host: host.process.pid)
            for host, line in zip(hosts, lines, strict=True):
                http, grpc, _ = host.ports
                folder = line.split()[3]
                assert line == f"  --pid {host.process.pid}  folder {folder}  HTTP {http}  gRPC {grpc}  models scalars"
                assert ask(f"--run-dir={folder}") == (0, "")
                assert (
                    json.loads(call_host("status", f"--run-dir={folder}", "--json").stdout)["pid"] == host.process.pid
                )
            assert ask(f"--pid={pids[0]}") == (0, "")
            assert ask("--pid=1")[1].startswith("pytriton-host: no pytriton-host with pid 1 of this user runs")
        assert ask() == (0, "")


def test_a_folder_of_another_user_is_not_asked() -> None:
    """Anyone can create such a folder in /tmp; root can name another."""
    if os.geteuid() != 0:
        return
    with tempfile.TemporaryDirectory(dir="/tmp") as name, socket.socket(socket.AF_UNIX) as listener:
        folder = Path(name, "pytriton-host-x")
        folder.mkdir()
        listener.bind(str(folder / "control.sock"))
        listener.listen()
        for path, mode in ((Path(name), 0o755), (folder, 0o755), (folder / "control.sock", 0o666)):
            path.chmod(mode)
        find_host(name).close()
        os.seteuid(65534)
        try:
            with pytest.raises(ControlError, match="no pytriton-host of this user runs"):
                find_host(name).close()
        finally:
            os.seteuid(0)


def test_it_imports_almost_nothing_and_takes_no_time(tmp_path: Path) -> None:
    """`health` must be cheap, because a container calls it every few seconds."""
    with running(tmp_path):
        code = PROGRAM.replace("sys.exit(main())", "assert main() == 0; print(*sys.modules)")
        command = [sys.executable, "-c", code, "health", "live", "--timeout=60", "--run-dir", str(tmp_path)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        heavy = {"click", "attr", "attrs", "numpy", "pluggy", "asyncio", "logging", "tempfile", "subprocess", "tomllib"}
        assert set(done.stdout.split()) & heavy == set()
        # Of several calls, because a busy machine makes each one dearer: they share caches with other programs.
        wait_until(lambda: processor_time(command) < 0.06, 20, "one call takes as little as that")


def processor_time(command: list[str]) -> float:
    """The seconds that a processor works for one call."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_utime + usage.ru_stime


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["live", "--help"]])
def test_help(arguments: list[str]) -> None:
    done = call_host("health", *arguments)
    assert done.returncode == 0
    assert "{live|ready|startup}" in done.stdout


@pytest.mark.parametrize(
    "arguments", [[], ["alive"], ["live", "ready"], ["live", "--pid=x"], ["--run-dir"], ["live", "--timeout=0"]]
)
def test_wrong_usage(arguments: list[str]) -> None:
    done = call_host("health", *arguments)
    assert done.returncode == 2
    assert re.fullmatch(r"pytriton-host: .*; see 'pytriton-host( health)? --help'\n", done.stderr)


def test_completion_knows_it() -> None:
    words = {"_PYTRITON_HOST_COMPLETE": "bash_complete", "COMP_WORDS": "pytriton-host health ", "COMP_CWORD": "2"}
    assert [line.split(",")[1] for line in call_host(env=words).stdout.splitlines()] == list(CHECKS)
