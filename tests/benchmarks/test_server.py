"""A server under test becomes ready, and ends with all its descendants; a small HTTP server takes Triton's place."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks import processes
from benchmarks.errors import BenchmarkError
from benchmarks.servers.server import Place, Server, free_place, plain_environment
from pytriton_plugins.testing import wait_until

# Answers 503 twice, then 200; its child ignores SIGTERM and lives in a session of its own, as workers do.
SERVER = """
import http.server, signal, subprocess, sys
left = [503, 503]
CHILD = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); signal.pause()"
subprocess.Popen([sys.executable, "-c", CHILD], start_new_session=True)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        status = left.pop() if left else 200
        self.send_response(status); self.send_header("Content-Length", "0"); self.end_headers()
    def log_message(self, *_): pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


def python(place: Place, program: str) -> Server:
    command = [sys.executable, "-c", program, str(place.http)]
    return Server("small", command, plain_environment(), place, ["m"], Path(sys.executable), ready_seconds=30)


def runs(pid: int) -> bool:
    """Reads /proc itself, because the code under test must not check itself. A zombie has no command line."""
    try:
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    except FileNotFoundError:
        return False


def test_ready_is_waited_for_and_nothing_is_left(tmp_path: Path) -> None:
    with python(free_place(tmp_path / "small"), SERVER) as server:
        members = processes.tree(server.pid)
        assert len(members) == 2
        wait_until(
            lambda: all(each.proportional_bytes > 1_000_000 for each in processes.tree(server.pid)), 10, "both run"
        )
        assert server.seconds_to_ready > 0
    assert not any(runs(member.pid) for member in members)


def test_nothing_is_left_after_an_error(tmp_path: Path) -> None:
    members: list[processes.Process] = []

    def fail_beside(server: Server) -> None:
        with server:
            members.extend(processes.tree(server.pid))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_beside(python(free_place(tmp_path / "small"), SERVER))
    assert len(members) == 2
    assert not any(runs(member.pid) for member in members)


def test_a_server_that_ends_is_quoted(tmp_path: Path) -> None:
    server = python(free_place(tmp_path / "small"), "print('no GPU here'); raise SystemExit(3)")
    with pytest.raises(BenchmarkError, match="small ended with exit code 3: no GPU here"), server:
        pass


def test_variables_that_steer_a_host_are_not_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTRITON_HOST_HTTP_PORT", "1")
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    environment = plain_environment(ADDED="1")
    assert "PYTRITON_HOST_HTTP_PORT" not in environment
    assert "PYTHONPATH" not in environment
    assert environment["ADDED"] == "1"
