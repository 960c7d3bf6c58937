"""`Host` in the process of its program: what it serves, refuses and logs, and how it ends."""

from __future__ import annotations

import asyncio
import gc
import importlib
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from pytriton_plugins import Host, Tensor
from pytriton_plugins.discovery.entry_points import HOOKS_GROUP
from pytriton_plugins.errors import ConfigError, ControlError, DiscoveryError, HostError
from pytriton_plugins.script.attachment import Attachment
from pytriton_plugins.script.handles import ModelHandle
from pytriton_plugins.testing import wait_until
from tests.support.paths import MODELS
from tests.support.sandbox.command import call_host
from tests.support.sandbox.fake_distributions import install
from tests.support.sandbox.leftovers import descendants, freeze
from tests.support.sandbox.ports import can_listen
from tests.support.traffic.scripts import model_file, scaled

HANGS = "import time\ntime.sleep(600)\n"
SOON = 60.0
"""Seconds after which a wait of these tests fails."""


def new_host(*targets: str | Path) -> Host:
    return Host(*targets, http_port=0, grpc_port=0, metrics_port=0, drain_timeout=5)


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    """A host that serves nothing at its start; the tests remove what they add."""
    with new_host() as running:
        yield running


def ports(host: Host) -> list[int]:
    urls = (host.http_url, host.grpc_url, host.metrics_url.removesuffix("/metrics"))
    return [int(url.rpartition(":")[2]) for url in urls]


def test_a_module_of_this_program(host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A callable, its module and its name are served; a later one of the same name replaces the model."""
    model_file(tmp_path, "script_doubles", 2)
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("script_doubles")
    # Its folder came onto the path of this process after the start of the host.
    late = host.add(module.scaled)
    assert scaled(host, 3) == 6
    late.remove()
    with new_host() as other:
        handle = other.add(module.scaled)
        assert handle.names == (("scaled", 1),)
        assert scaled(other, 3) == 6
        other.add(module)
        assert scaled(other, 3) == 6
        other.add(model_file(tmp_path, "script_triples", 3))
        assert scaled(other, 3) == 9


def test_a_model_comes_changes_and_goes(host: Host, tmp_path: Path) -> None:
    path = model_file(tmp_path, "script_changing", 2)
    handle = host.add(path)
    handle.ready()
    assert repr(handle) == "<ModelHandle scaled version 1, served by the daemon's workers>"
    assert scaled(host, 4) == 8
    model_file(tmp_path, "script_changing", 5)
    again = host.add(f"{path}:scaled")
    assert scaled(host, 4) == 20
    path.write_text("raise ValueError('broken')")
    with pytest.raises(ControlError, match="cannot be imported: ValueError: broken"):
        host.add(path)
    assert scaled(host, 4) == 20
    again.remove()
    again.remove()
    with pytest.raises(urllib.error.HTTPError):
        scaled(host, 4)
    with pytest.raises(HostError, match=r"^not ready: model scaled: it was unloaded$"):
        again.ready()
    model_file(tmp_path, "script_changing", 7)
    host.add(path).ready()
    assert scaled(host, 4) == 28
    again.remove()


def test_nothing_to_serve_is_ready(host: Host) -> None:
    assert urllib.request.urlopen(f"{host.http_url}/v2/health/ready", timeout=60).status == 200
    assert b"nv_" in urllib.request.urlopen(host.metrics_url, timeout=60).read()
    assert host.grpc_url.startswith("grpc://127.0.0.1:")
    assert repr(host).startswith(f"<Host process {host.pid}, http ")
    done = call_host("status", f"--pid={host.pid}")
    assert done.returncode == 0, done.stderr


def test_what_a_worker_cannot_import(host: Host) -> None:
    with pytest.raises(DiscoveryError, match=r"is not marked; .*, or serve it from this process with host\.attach$"):
        host.add(lambda x: x)


def test_a_path_that_is_not_there(host: Host, tmp_path: Path) -> None:
    with pytest.raises(ControlError, match=f"^{tmp_path}/none.py is not a file; write the path of a Python file"):
        host.add(tmp_path / "none.py")


def test_two_hosts_in_threads_beside_a_running_loop(tmp_path: Path) -> None:
    """Nothing needs the main thread, or that no event loop runs."""
    paths = [model_file(tmp_path, "script_one", 2), model_file(tmp_path, "script_two", 3)]

    def use(path: Path) -> tuple[float, list[int]]:
        with new_host(path) as running:
            return scaled(running, 10), ports(running)

    async def both() -> list[tuple[float, list[int]]]:
        with new_host():
            return await asyncio.gather(*[asyncio.to_thread(use, path) for path in paths])

    (first, first_ports), (second, second_ports) = asyncio.run(both())
    assert (first, second) == (20, 30)
    assert not set(first_ports) & set(second_ports)
    assert all(map(can_listen, [*first_ports, *second_ports]))


def test_a_target_that_fails_is_an_error_with_the_reason(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It stands in the exception only, and nothing else is shown."""
    path = tmp_path / "script_broken.py"
    path.write_text("import no_such_module")
    with pytest.raises(HostError) as failed:
        new_host(path)
    assert str(failed.value).startswith(f"not ready: plugin {path}: ")
    assert "needs the module no_such_module" in str(failed.value)
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_a_port_in_use_is_an_error_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(HostError, match=f"^http port {port} on 127.0.0.1 is in use by .*--http-port$"):
            Host(http_port=port, grpc_port=0, metrics_port=0)
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_a_missing_tritonserver_is_an_error_in_the_words_of_the_daemon() -> None:
    with pytest.raises(HostError, match=r"^tritonserver /none .*: not an executable program; ") as failed:
        Host(http_port=0, grpc_port=0, metrics_port=0, tritonserver="/none")
    assert len(failed.value.problems) == 1


def test_a_setting_of_a_variable_that_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTRITON_HOST_WORKERS", "many")
    with pytest.raises(ConfigError, match=r"^PYTRITON_HOST_WORKERS: invalid number of workers 'many': expected 1 to"):
        new_host()


def test_the_log_goes_to_logging(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """With the daemon's loggers and levels, and the subject of a message."""
    more = "\nimport sys\nprint('printed by the model', file=sys.stderr, flush=True)\n"
    with caplog.at_level(logging.DEBUG, "pytriton"):
        new_host(model_file(tmp_path, "script_printing", 2, more)).close()
    records = {record.getMessage(): record for record in caplog.records}
    assert ("pytriton.health", "INFO") in {(each.name, each.levelname) for each in caplog.records}
    assert (records["ready"].name, records["ready"].levelno) == ("pytriton.health", logging.INFO)
    printed = records["printed by the model"]
    assert printed.name.startswith("pytriton.worker")
    assert str(tmp_path / "script_printing.py") in printed.plugin  # type: ignore[attr-defined]
    assert any("HTTP http://127.0.0.1:" in message for message in records)


def test_a_killed_daemon_is_an_error_and_the_program_lives() -> None:
    with new_host() as host:
        threading.Timer(0.2, os.kill, (host.pid, signal.SIGKILL)).start()
        with pytest.raises(HostError, match=rf"^the daemon \(process {host.pid}\) was killed by SIGKILL$"):
            host.wait()
        with pytest.raises(HostError, match="was killed by SIGKILL"):
            host.add("any.py")


def test_a_daemon_that_somebody_stops_is_an_error() -> None:
    with new_host() as host:
        os.kill(host.pid, signal.SIGTERM)
        with pytest.raises(HostError, match=rf"^the daemon \(process {host.pid}\) has ended with exit code 0$"):
            host.wait()


def test_close_ends_a_wait_in_another_thread() -> None:
    host = new_host()
    waiting = threading.Thread(target=host.wait)
    waiting.start()
    host.close()
    host.close()
    waiting.join(SOON)
    assert not waiting.is_alive()
    for call in (host.wait, host.__enter__, lambda: host.add("any.py")):
        with pytest.raises(HostError, match=r"^this Host is closed; start another one$"):
            call()
    assert all(map(can_listen, ports(host)))


def test_the_garbage_collector_ends_a_daemon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where its warning is an error, which the collector only reports."""
    told: list[str] = []
    hosts = [new_host()]
    taken, below = ports(hosts[0]), {hosts[0].pid, *descendants(hosts[0].pid)}
    monkeypatch.setattr(sys, "unraisablehook", lambda report: told.append(str(report.exc_value)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        hosts.clear()
    assert told == ["a Host was not closed; use it in a with statement"]
    gc.collect()
    assert all(map(can_listen, taken))
    assert not [pid for pid in below if Path(f"/proc/{pid}").exists()]


def test_a_fork_does_not_touch_the_daemon_of_its_parent(host: Host) -> None:
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            host.close()
            host.add("any.py")
        except HostError as error:
            parent, own = os.getppid(), os.getpid()
            text = f"this Host belongs to process {parent}, and process {own} is a fork of it; start another Host here"
            code = 0 if str(error) == text else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    host.add(MODELS / "seconds.py").remove()


def test_a_frozen_daemon_answers_nothing(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every call has the same limit of time, and says the same."""
    handle = host.add(MODELS / "seconds.py")
    monkeypatch.setattr("pytriton_plugins.script.process.ANSWER_SECONDS", 0.1)
    freeze(host.pid)
    try:
        for call in (handle.ready, handle.remove, lambda: host.add("any.py")):
            with pytest.raises(HostError, match=r"did not answer within 0\.1 s; see whether it is stopped$"):
                call()
    finally:
        os.kill(host.pid, signal.SIGCONT)
    monkeypatch.undo()
    handle.remove()


def test_a_daemon_that_does_not_begin(tmp_path: Path) -> None:
    """The timeout holds from the start, and the daemon is gone."""
    install(tmp_path, "hanging", {HOOKS_GROUP: {"hanging": "hanging_hooks"}}, hanging_hooks=HANGS)
    with pytest.raises(HostError, match=r"^the daemon \(process \d+\) has not begun to serve after 0\.5 s: ") as late:
        Host(plugins_dir=tmp_path, timeout=0.5, http_port=0, grpc_port=0, metrics_port=0)
    pid = str(late.value).partition("(process ")[2].partition(")")[0]
    assert not Path(f"/proc/{pid}").exists()


def test_a_frozen_daemon_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytriton_plugins.script.options._STOP_SECONDS", 0.2)
    host = Host(http_port=0, grpc_port=0, metrics_port=0, drain_timeout=0.1)
    below = descendants(host.pid)
    os.kill(host.pid, signal.SIGSTOP)
    host.close()
    wait_until(lambda: not [pid for pid in below if Path(f"/proc/{pid}").exists()], SOON, "nothing is left")


def test_the_import_of_the_package_does_not_load_it() -> None:
    code = "import sys, pytriton_plugins; sys.exit(any('script' in name for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_a_model_is_replaced_whether_added_or_attached(host: Host, tmp_path: Path) -> None:
    """A handle of a model that another handle has now is not served, and removes nothing."""
    path = model_file(tmp_path, "script_both", 2)
    declared = {"inputs": [Tensor("x", np.float32, (1,))], "outputs": [Tensor("y", np.float32, (1,))]}
    added = host.add(path)
    attached = host.attach(lambda x: x * 3, name="scaled", **declared)  # type: ignore[arg-type]
    assert scaled(host, 1) == 3
    assert repr(host).endswith(", models scaled (attached)>")
    again = host.add(path)
    assert scaled(host, 1) == 2
    assert repr(host).endswith(", models scaled>")
    wait_until(lambda: not attached.is_served, SOON, "its link has ended")
    assert not added.is_served
    added.remove()
    attached.remove()
    assert scaled(host, 1) == 2
    with pytest.raises(HostError, match=r"it was replaced by .*script_both.py$"):
        attached.ready()
    with pytest.raises(HostError, match=r"^not ready: model scaled: another handle has it$"):
        added.ready()
    again.remove()
    assert not again.is_served
    assert repr(again) == "<ModelHandle scaled version 1, served by the daemon's workers, removed>"


def test_threads_that_attach_and_add_at_once(host: Host, tmp_path: Path) -> None:
    """Models of other names do not disturb one another; of one name, one callable serves in the end."""
    declared = {"inputs": [Tensor("x", np.float32, (1,))], "outputs": [Tensor("y", np.float32, (1,))]}

    def attach(number: int) -> ModelHandle | Attachment:
        if number == 0:
            return host.add(model_file(tmp_path, "script_threads", 100))
        name = "same" if number % 2 else f"attached_{number}"
        return host.attach(lambda x: x * number, name=name, **declared)  # type: ignore[arg-type]

    with ThreadPoolExecutor(8) as pool:
        handles = list(pool.map(attach, range(8)))
    assert scaled(host, 1) == 100
    assert [scaled(host, 1, f"attached_{number}") for number in (2, 4, 6)] == [2, 4, 6]
    (number,) = {scaled(host, 1, "same") for _ in range(10)}
    assert [handle.is_served for handle in handles].count(True) == 5
    assert handles[int(number)].is_served
    for handle in handles:
        handle.remove()


def test_installed_plugins_beside_targets_and_callables(tmp_path: Path) -> None:
    """Where the file, as any other source, names them."""
    file = tmp_path / "own.toml"
    file.write_text('enable = ["add_sub"]\n')
    path = model_file(tmp_path, "script_beside", 2)
    with Host(path, config=file, http_port=0, grpc_port=0, metrics_port=0) as host:
        assert urllib.request.urlopen(f"{host.http_url}/v2/models/add_sub/ready", timeout=60).status == 200
        assert scaled(host, 5) == 10
        tensors = {"inputs": [Tensor("x", np.float32, (1,))], "outputs": [Tensor("y", np.float32, (1,))]}
        host.attach(lambda x: x, name="mine", **tensors)  # type: ignore[arg-type]
        assert scaled(host, 5, "mine") == 5


def test_a_fork_may_start_a_host_of_its_own(host: Host) -> None:
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            with new_host() as own:
                code = 0 if own.pid != host.pid else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    host.add(MODELS / "seconds.py").remove()
