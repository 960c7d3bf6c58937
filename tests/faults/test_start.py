"""Starts that cannot succeed: one line with the remedy, an exit code, and no process left."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from pytriton_plugins.testing import RunningHost, run_host, wait_until
from tests.support.backend.server import found_server
from tests.support.paths import MODELS
from tests.support.sandbox.fake_distributions import install, path_with
from tests.support.sandbox.leftovers import Mark

SCALARS = f"{MODELS / 'kinds.py'}:scalars"
TELLS_OPTIONS = f"#!/bin/sh\n[ $1 = --help ] && exec '{found_server().path}' --help\n"


def ended(host: RunningHost) -> tuple[int, list[str]]:
    """Exit code and standard error of a host that ends by itself."""
    code = host.process.wait(60)
    # In a container a host on the loopback address says so first, which is not part of why it ends.
    return code, [line for line in host.log.splitlines() if "listening on 127.0.0.1 only" not in line]


def test_no_tritonserver(tmp_path: Path) -> None:
    # A distribution of the bundle's name that comes first on the path hides the real one.
    install(tmp_path, "pytriton-plugins-tritonserver", {})
    env = {"PATH": str(tmp_path), "PYTHONPATH": path_with(tmp_path)}
    prefix = ["/usr/bin/env", "--unset=PYTRITON_HOST_TRITONSERVER"]
    with run_host(SCALARS, env=env, prefix=prefix, ready=False) as host:
        code, (line,) = ended(host)
    assert code == 1
    assert line.startswith("pytriton-host: no tritonserver was found on PATH or in /opt/tritonserver")
    assert "pip install pytriton-plugins-tritonserver" in line


def test_a_tritonserver_that_is_not_there(tmp_path: Path) -> None:
    with run_host(SCALARS, options=["--tritonserver", str(tmp_path / "none")], ready=False) as host:
        code, (line,) = ended(host)
    assert code == 1
    assert f"tritonserver {tmp_path}/none (named by --tritonserver, its variable or the file)" in line
    assert line.endswith("not an executable program; name another with --tritonserver")


def test_a_tritonserver_of_another_machine(tmp_path: Path) -> None:
    server = tmp_path / "tritonserver"
    server.write_bytes(b"\x7fELF of another machine")
    server.chmod(0o755)
    with run_host(SCALARS, options=["--tritonserver", str(server)], ready=False) as host:
        code, (line,) = ended(host)
    assert code == 1
    assert line == (
        f"pytriton-host: tritonserver {server} cannot be run: Exec format error; name another with --tritonserver"
    )


def test_the_log_says_which_tritonserver_is_taken() -> None:
    found = found_server()
    with run_host(SCALARS, ready=False) as host:
        host.wait_settled()
        line = f"INFO    pytriton.tritonserver: starting {found.path}, {found.source}"
        wait_until(lambda: line in host.log, what="the log has it")


def test_a_tritonserver_that_ends_at_its_start(tmp_path: Path) -> None:
    server = tmp_path / "tritonserver"
    server.write_text(TELLS_OPTIONS + "echo first\necho 'cannot load libmissing.so.7'\necho bye\nexit 4\n")
    server.chmod(0o755)
    mark = Mark()
    with run_host(SCALARS, options=["--tritonserver", str(server)], env=mark.env, ready=False) as host:
        code, lines = ended(host)
        assert mark.processes() == {}
    assert code == 1
    messages = [line for line in lines if line.startswith("pytriton-host: ")]
    assert messages == [
        "pytriton-host: tritonserver ended at its start with exit code 4; "
        "its last lines: first / cannot load libmissing.so.7 / bye"
    ]


def test_a_tritonserver_killed_at_its_start(tmp_path: Path) -> None:
    server = tmp_path / "tritonserver"
    server.write_text(TELLS_OPTIONS + "kill -SEGV $$\n")
    server.chmod(0o755)
    with run_host(SCALARS, options=["--tritonserver", str(server)], ready=False) as host:
        code, lines = ended(host)
    assert code == 1
    assert any("tritonserver ended at its start with killed by SIGSEGV; its last lines: none" in line for line in lines)


@pytest.mark.parametrize(("index", "name"), [(0, "http"), (1, "grpc"), (2, "metrics")])
def test_a_port_in_use(index: int, name: str) -> None:
    mark = Mark()
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        options = [f"--{name}-port={port}"]
        with run_host(SCALARS, options=options, env=mark.env, ready=False) as host:
            code, (line,) = ended(host)
    who = Path("/proc/self/comm").read_text().strip()
    assert code == 1
    assert line == (
        f"pytriton-host: {name} port {port} on 127.0.0.1 is in use by {who} (process {os.getpid()}); "
        f"stop that program or choose another with --{name}-port"
    )


def test_all_that_is_in_the_way_is_told_at_once(tmp_path: Path) -> None:
    """All mistakes are reported together."""
    for name in ("one", "two"):
        hooks = {"pytriton_plugins.hooks": {name: f"acme_{name}"}}
        install(tmp_path, f"acme-{name}", hooks, **{f"acme_{name}": f"raise OSError('no {name}')"})
    with socket.socket() as first, socket.socket() as second:
        for sock in (first, second):
            sock.bind(("127.0.0.1", 0))
            sock.listen()
        ports = [sock.getsockname()[1] for sock in (first, second)]
        options = [f"--http-port={ports[0]}", f"--grpc-port={ports[1]}", "--tritonserver=/nothing/here"]
        env = {"PYTHONPATH": path_with(tmp_path)}
        with run_host(SCALARS, "nothing.py", "__main__:add", options=options, env=env, ready=False) as host:
            code, lines = ended(host)
    assert code == 2
    assert [line.partition("; ")[0].partition(" by ")[0] for line in lines] == [
        "pytriton-host: hook plugin one (acme-one 1.0): acme_one cannot be imported: OSError: no one (line 1)",
        "pytriton-host: hook plugin two (acme-two 1.0): acme_two cannot be imported: OSError: no two (line 1)",
        f"pytriton-host: {Path('nothing.py').absolute()} is not a file",
        "pytriton-host: '__main__:add' is the running program, which a worker cannot import",
        "pytriton-host: tritonserver /nothing/here (named",
        f"pytriton-host: http port {ports[0]} on 127.0.0.1 is in use",
        f"pytriton-host: grpc port {ports[1]} on 127.0.0.1 is in use",
    ]


def test_two_hosts_on_the_same_ports() -> None:
    with run_host(SCALARS) as first:
        options = [f"--http-port={first.ports[0]}"]
        with run_host(SCALARS, options=options, ready=False) as second:
            code, (line,) = ended(second)
        assert code == 1
        assert f"http port {first.ports[0]} on 127.0.0.1 is in use by tritonserver (process " in line
        assert first.status("/v2/health/ready") == 200


def test_a_backend_that_cannot_be_loaded_ends_the_start(tmp_path: Path) -> None:
    # Without `refusal` (host/triton/output.py) the host would wait a minute for an answer.
    library = tmp_path / "pytriton" / "libtriton_pytriton.so"
    library.parent.mkdir()
    library.write_text("no library")
    broken = tmp_path / "sitecustomize.py"
    broken.write_text(
        "import pytriton_plugins.host.triton.server as server, pathlib\n"
        f"server.joined_backends = lambda *_: pathlib.Path({str(tmp_path)!r})\n"
    )
    with run_host(MODELS / "kinds.py", ready=False, env={"PYTHONPATH": path_with(tmp_path)}) as host:
        assert host.process.wait(60) == 1
        last = host.log.splitlines()[-1]
    assert last.startswith("pytriton-host: tritonserver cannot use our backend: ")
