"""`Host.connect`: a program attaches callables to a daemon that runs already."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytriton_plugins import Host
from pytriton_plugins.errors import AttachError, HostError
from pytriton_plugins.script import finding
from pytriton_plugins.testing import RunningHost, run_host, wait_until
from tests.support.paths import MODELS
from tests.support.script.calls import X, Y, call, is_served

SOON = 60.0
"""Seconds after which a wait of these tests fails."""


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningHost, Path]]:
    """A daemon that takes no callables, and its run directory."""
    folder = tmp_path_factory.mktemp("other")
    with run_host(MODELS / "seconds.py", options=[f"--run-dir={folder}"]) as running:
        yield running, folder


def refusal(*where: object) -> str:
    with pytest.raises(HostError) as refused:
        Host.connect(*where)  # type: ignore[arg-type]
    return str(refused.value)


def test_a_connection_attaches_and_its_end_removes(host: RunningHost, run_dir: Path) -> None:
    """The daemon and its models go on."""
    with Host.connect(run_dir) as connected:
        assert connected.http_url == f"http://{host.http}"
        assert connected.grpc_url == f"grpc://{host.grpc}"
        assert connected.metrics_url == f"http://{host.metrics}/metrics"
        one = connected.attach(lambda x: x * 2, name="one", inputs=[X], outputs=[Y])
        connected.attach(lambda x: x * 3, name="two", version=2, inputs=[X], outputs=[Y])
        assert [call(host, name, 2) for name in ("one", "two")] == [[4], [6]]
        assert repr(connected).startswith(f"<ConnectedHost process {host.process.pid}, http ")
        assert repr(connected).endswith(", models one (attached), two (version 2, attached)>")
        assert repr(one) == "<Attachment one version 1, served by this process>"
    assert not is_served(host, "one")
    assert not is_served(host, "two")
    assert call(host, "plugged", 1) == [1]
    assert repr(one) == "<Attachment one version 1, served by this process, removed>"
    connected.close()
    for use in (connected.__enter__, connected.wait, lambda: connected.attach(lambda x: x, inputs=[X], outputs=[Y])):
        with pytest.raises(HostError, match=r"^this connection is closed; call Host.connect again$"):
            use()


def test_a_connection_that_is_dropped_leaves_what_it_attached(host: RunningHost, run_dir: Path) -> None:
    model = Host.connect(run_dir).attach(lambda x: x * 2, name="kept", inputs=[X], outputs=[Y])
    assert call(host, "kept", 2) == [4]
    model.remove()
    assert not is_served(host, "kept")


def test_close_ends_a_wait_in_another_thread(host: RunningHost, run_dir: Path) -> None:
    connected = Host.connect(pid=host.process.pid, run_dir=run_dir)
    waiting = threading.Thread(target=connected.wait)
    waiting.start()
    connected.close()
    waiting.join(SOON)
    assert not waiting.is_alive()


def test_the_folder_of_the_variable(host: RunningHost, run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTRITON_HOST_RUN_DIR", str(run_dir))
    assert Host.connect().pid == host.process.pid


def test_a_daemon_that_takes_no_callables(other: tuple[RunningHost, Path]) -> None:
    running, folder = other
    pid = running.process.pid
    assert refusal(folder) == (
        f"the pytriton-host with pid {pid} takes no callables; start it with pytriton-host serve --allow attach"
    )


def test_several_daemons(
    host: RunningHost, run_dir: Path, other: tuple[RunningHost, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in (run_dir, other[1]):
        (private,) = folder.glob("pytriton-host-*")
        listed = tmp_path / private.name
        listed.mkdir()
        for socket in ("control.sock", "attach.sock"):
            if (private / socket).exists():
                (listed / socket).hardlink_to(private / socket)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    first, *lines = refusal().split("; also: ")
    assert first == "several pytriton-hosts of this user run; choose one with pid=PID or run_dir=DIR"
    assert [line.split()[:3] for line in lines] == [
        ["pid", str(pid), "folder"] for pid in sorted((host.process.pid, other[0].process.pid))
    ]
    assert "models plugged" in "".join(lines)
    assert Host.connect(pid=host.process.pid).pid == host.process.pid
    assert refusal(None, 1) == (
        "no pytriton-host with pid 1 of this user runs; start one with pytriton-host serve --allow attach, or name its "
        "folder with run_dir=DIR"
    )


def test_where_no_daemon_runs(tmp_path: Path) -> None:
    start = "start one with pytriton-host serve --allow attach --run-dir DIR"
    assert refusal(tmp_path) == f"run directory {tmp_path}: no pytriton-host of this user runs there; {start}"
    (tmp_path / "pytriton-host-abc").mkdir()
    assert refusal(tmp_path) == f"run directory {tmp_path}: the pytriton-host there has ended; {start} again"
    assert refusal(tmp_path / "none") == (
        f"run directory {tmp_path}/none: there is no such folder; name that of a running daemon (--run-dir)"
    )


def test_another_version(run_dir: Path, host: RunningHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """This program has another one, as after an update while the daemon runs."""
    monkeypatch.setattr(finding, "framework_version", lambda: "9.0.0")
    text = refusal(run_dir)
    assert text.startswith(f"the pytriton-host with pid {host.process.pid} has pytriton-plugins ")
    assert text.endswith(", and this program has 9.0.0; install one version")


STRANGER = """
import os, sys
from pytriton_plugins import Host
from pytriton_plugins.errors import HostError
from pytriton_plugins.script import connected
os.setgroups([]); os.setgid(65534); os.setuid(65534)
for folder in sys.argv[1:]:
    try:
        Host.connect(folder)
    except HostError as error:
        print(error)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_the_run_directory_of_another_user(host: RunningHost, run_dir: Path) -> None:
    """Whether it may be entered or not; root, too, cannot attach to the daemon of somebody else."""
    (private,) = run_dir.glob("pytriton-host-*")
    parents = [each for each in (run_dir, *run_dir.parents) if not each.stat().st_mode & 0o001]
    try:
        for each in parents:
            each.chmod(each.stat().st_mode | 0o055)
        command = [sys.executable, "-c", STRANGER, str(run_dir), str(private)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd="/")
    finally:
        for each in parents:
            each.chmod(0o700)
    reason = (
        "it belongs to user 0, and this program to user 65534; start one with pytriton-host serve --allow attach as"
    )
    assert done.stdout.splitlines() == [
        f"run directory {folder}: {reason} this user" for folder in (run_dir, private)
    ], done.stderr


def test_a_daemon_that_is_stopped(host: RunningHost, run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every call says so in time, and it serves when it goes on."""
    monkeypatch.setattr("pytriton_plugins.script.process.ANSWER_SECONDS", 0.2)
    connected = Host.connect(run_dir)
    os.kill(host.process.pid, signal.SIGSTOP)
    try:
        silent = f"the pytriton-host with pid {host.process.pid} did not answer within 0.2 s"
        assert refusal(run_dir) == f"{silent}; see whether it is stopped"
        with pytest.raises(HostError, match=f"^{silent}; see whether it is stopped$"):
            connected.attach(lambda x: x, name="never", inputs=[X], outputs=[Y])
    finally:
        os.kill(host.process.pid, signal.SIGCONT)
    connected.attach(lambda x: x, name="after", inputs=[X], outputs=[Y])
    assert call(host, "after", 1) == [1]
    connected.close()


def test_a_daemon_that_is_killed(tmp_path: Path) -> None:
    """The program gets an exception that says so, in `wait` and in every other call, and lives on."""
    with run_host(MODELS / "seconds.py", options=["--allow=attach", f"--run-dir={tmp_path}"]) as daemon:
        connected = Host.connect(tmp_path)
        model = connected.attach(lambda x: x, name="lost", inputs=[X], outputs=[Y])
        pid = daemon.process.pid
        threading.Timer(0.2, os.kill, (pid, signal.SIGKILL)).start()
        text = f"^the pytriton-host with pid {pid} has ended; start it, and call Host.connect again$"
        with pytest.raises(HostError, match=text):
            connected.wait()
        with pytest.raises(HostError, match=text):
            connected.attach(lambda x: x, name="late", inputs=[X], outputs=[Y])
        wait_until(lambda: not model.is_attached, SOON, "its end is seen")
        with pytest.raises(AttachError, match=f"the pytriton-host with pid {pid} has ended; start one, and attach it"):
            model.check()
        assert repr(connected).endswith(", ended>")
        model.remove()
        connected.close()
        daemon.process.wait()
        assert refusal(tmp_path).startswith(f"run directory {tmp_path}: the pytriton-host there has ended; start one")
