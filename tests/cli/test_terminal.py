"""Output on a real terminal: during the start, in `status --watch`, and after signals and errors."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytriton_plugins.host.control.client import find_host
from pytriton_plugins.testing import RunningHost, run_host, wait_until
from tests.support.backend.server import found_server
from tests.support.paths import MODELS
from tests.support.sandbox.terminal import FIRST_SCREEN, HIDE_CURSOR, SECOND_SCREEN, Terminal, on_terminal

ANY_PORTS = ("--http-port=0", "--grpc-port=0", "--metrics-port=0")
COLOUR = re.compile(rb"\x1b\[[\d;]*3\d[\d;]*m")
PLAIN = {"NO_COLOR": "1"}
DUMB = {"TERM": "dumb"}


class Starting:
    """A host on a terminal whose only plugin finishes its import when `go_on` is called."""

    def __init__(self, folder: Path, columns: int, env: dict[str, str]) -> None:
        self._gate = folder / "gate"
        os.mkfifo(self._gate)
        self.run_dir = folder / "run"
        environment = {"LIFE_AT_IMPORT": "block", "LIFE_GATE": str(self._gate), **env}
        arguments = ("serve", str(MODELS / "life.py"), f"--run-dir={self.run_dir}", *ANY_PORTS)
        self._on_terminal = on_terminal(*arguments, columns=columns, env=environment)

    def __enter__(self) -> Starting:
        self.terminal = self._on_terminal.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._on_terminal.__exit__(None, None, None)

    def go_on(self) -> None:
        self._gate.write_bytes(b"")

    def uptime(self) -> float:
        host = find_host(str(self.run_dir))
        try:
            return float(host.ask({"command": "status"}, 60)["uptime"])
        finally:
            host.close()


def is_whole(terminal: Terminal) -> bool:
    """Whether each message of the log begins a line."""
    found = [re.search(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} ", line) for line in terminal.lines]
    return any(found) and all(moment.start() == 0 for moment in found if moment)


@pytest.mark.parametrize(
    ("columns", "env"), [(60, {}), (120, {}), (80, PLAIN), (80, DUMB)], ids=["60", "120", "NO_COLOR", "dumb"]
)
def test_the_progress_ends_with_the_start(tmp_path: Path, columns: int, env: dict[str, str]) -> None:
    with Starting(tmp_path, columns, env) as host:
        terminal = host.terminal
        if env != DUMB:
            terminal.wait_for(" s: importing ")
            terminal.resize(columns // 2 + 10)
        else:
            terminal.wait_for("tritonserver: starting")
        host.go_on()
        terminal.wait_for("curl -s")
        settled, written = host.uptime(), terminal.written
        wait_until(lambda: host.uptime() > settled + 1, 30, "a second has passed")
        later = terminal.written.removeprefix(written)
        assert b"\x1b" not in later
        assert b"starting," not in later
        assert "starting," not in terminal.text
        assert "HTTP http://127.0.0.1:" in terminal.text
        assert is_whole(terminal)
        assert terminal.end(signal.SIGTERM) == 0
        assert "stopping" in terminal.text
        assert is_whole(terminal)
        assert HIDE_CURSOR not in terminal.written
        assert bool(COLOUR.search(terminal.written)) == (not env)
        assert (b"\x1b" in terminal.written) == (env != DUMB)


def test_a_signal_ends_the_progress(tmp_path: Path) -> None:
    with Starting(tmp_path, 80, {}) as host:
        host.terminal.wait_for(" s: importing ")
        assert host.terminal.end(signal.SIGTERM) == 0
        assert "starting," not in host.terminal.text
        assert is_whole(host.terminal)


def test_an_error_ends_the_progress(tmp_path: Path) -> None:
    """The error comes after children have started: tritonserver ends before it serves."""
    server, gate = tmp_path / "tritonserver", tmp_path / "gate"
    os.mkfifo(gate)
    server.write_text(f"#!/bin/sh\n[ $1 = --help ] && exec '{found_server().path}' --help\nread x < '{gate}'\nexit 1\n")
    server.chmod(0o755)
    with on_terminal("serve", str(MODELS / "life.py"), f"--tritonserver={server}", *ANY_PORTS, columns=80) as terminal:
        terminal.wait_for("starting, ")
        gate.write_bytes(b"")
        assert terminal.end() == 1
        assert "starting, " not in terminal.text
        assert len([line for line in terminal.lines if line.startswith("pytriton-host: tritonserver ")]) == 1


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHost]:
    folder = tmp_path_factory.mktemp("terminal")
    with run_host(MODELS / "gated.py", options=[f"--run-dir={folder}"]) as host:
        host.run_dir = folder  # type: ignore[attr-defined]
        yield host


def in_run_dir(host: RunningHost) -> str:
    return f"--run-dir={host.run_dir}"  # type: ignore[attr-defined]


@pytest.mark.parametrize("columns", [60, 120])
def test_watching_gives_the_screen_back(host: RunningHost, columns: int) -> None:
    with on_terminal("status", "--watch", in_run_dir(host), columns=columns) as terminal:
        terminal.wait_for("Gated")
        terminal.process.send_signal(signal.SIGTSTP)
        wait_until(lambda: state(terminal.process.pid) == "T", 30, "it is stopped")
        wait_until(lambda: terminal.written.endswith(FIRST_SCREEN), 30, "the first screen is back")
        terminal.process.send_signal(signal.SIGCONT)
        wait_until(lambda: b"Gated" in after(terminal, SECOND_SCREEN, 2), 30, "it is drawn again")
        assert terminal.end(signal.SIGTERM) == 128 + signal.SIGTERM
        assert terminal.written.endswith(FIRST_SCREEN)
        assert terminal.written.count(SECOND_SCREEN) == terminal.written.count(FIRST_SCREEN) == 2
        assert HIDE_CURSOR not in terminal.written


def test_an_interrupt_and_a_dumb_terminal(host: RunningHost) -> None:
    with on_terminal("status", "--watch", in_run_dir(host), env=DUMB) as terminal:
        terminal.wait_for("Gated")
        assert terminal.end(signal.SIGINT) == 0
        assert b"\x1b" not in terminal.written


def after(terminal: Terminal, control: bytes, count: int) -> bytes:
    """The output after the ``count``-th occurrence of ``control``."""
    return b"".join(terminal.written.split(control)[count:])


def state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


@pytest.mark.parametrize("env", [{}, PLAIN, DUMB], ids=["colours", "NO_COLOR", "dumb"])
def test_check(env: dict[str, str]) -> None:
    with on_terminal("check", str(MODELS / "gated.py"), *ANY_PORTS, columns=60, env=env) as terminal:
        assert terminal.end() == 0
        assert "ok   plugin " in terminal.text
        assert bool(COLOUR.search(terminal.written)) == (not env)
        assert HIDE_CURSOR not in terminal.written


@pytest.mark.parametrize("columns", [60, 120])
def test_reloading(host: RunningHost, columns: int) -> None:
    with on_terminal("models", "reload", "Gated", in_run_dir(host), columns=columns) as terminal:
        assert terminal.end() == 0
        assert terminal.lines[-1] == "model Gated version 1: serving"
        assert b"\x1b" not in terminal.written
