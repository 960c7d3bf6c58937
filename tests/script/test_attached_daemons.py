"""Daemons in the way of attached callables: without plugins, told to load a file, or another user's."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from pytriton_plugins.discovery.entry_points import find_models
from pytriton_plugins.errors import AttachError
from pytriton_plugins.script.attach import attach
from pytriton_plugins.script.connection import connect
from pytriton_plugins.testing import RunningHost, run_host, wait_until
from tests.support.sandbox.command import call_host
from tests.support.sandbox.fake_distributions import install, path_with
from tests.support.script.calls import X, Y, call
from tests.support.script.raw_link import declaration, raw_link

ADDED = """
import numpy as np
from pytriton_plugins import Tensor, infer_func


@infer_func(inputs=[Tensor("x", np.float32, (-1,))], outputs=[Tensor("y", np.float32, (-1,))])
def shared(x):
    return x + 10
"""


def test_a_daemon_without_plugins_starts(tmp_path: Path) -> None:
    """It is ready, and serves what is attached; without `--allow attach` it says that there is nothing to serve."""
    nothing = [f"--no-plugin={name}" for name in {found.distribution for found in find_models()}]
    refused = call_host("serve", *nothing)
    assert (refused.returncode, "there is nothing to serve" in refused.stderr) == (2, True)
    with run_host(options=[*nothing, "--allow=attach", f"--run-dir={tmp_path}"]) as bare:
        assert bare.status("/v2/health/ready") == 200
        model = attach(tmp_path, lambda x: x * 3, name="only", inputs=[X], outputs=[Y])
        model.ready()
        assert call(bare, "only", 2) == [6]
        model.remove()
        assert bare.status("/v2/health/ready") == 200


def test_a_file_has_a_model_of_the_name_of_an_attached_one(host: RunningHost, run_dir: Path) -> None:
    """The attached one serves on; once it is unloaded the name is free, and then it is the file's."""
    (run_dir / "shared.py").write_text(ADDED)
    model = attach(run_dir, lambda x: x + 1, name="shared", inputs=[X], outputs=[Y])
    model.ready()
    assert call(host, "shared", 0) == [1]
    load = ("models", "load", str(run_dir / "shared.py"), f"--run-dir={run_dir}")
    refused = call_host(*load)
    assert refused.returncode == 1
    assert f"model shared version 1 is attached by process {os.getpid()}" in refused.stderr
    assert refused.stderr.endswith(
        "; remove it there, or with pytriton-host models unload shared, or give one of the models another name\n"
    )
    assert call(host, "shared", 0) == [1]
    assert call_host("models", "unload", "shared", f"--run-dir={run_dir}").returncode == 0
    with pytest.raises(AttachError, match="it was unloaded"):
        model.wait(30)
    wait_until(lambda: call_host(*load).returncode == 0, what="the file is loaded")
    assert call(host, "shared", 0) == [10]
    with pytest.raises(AttachError, match="is served already by plugin"):
        attach(run_dir, lambda x: x + 1, name="shared", inputs=[X], outputs=[Y])


STRANGERS = """
import os, socket, sys
os.chdir(sys.argv[1])
os.chown(".", 65534, 65534)
os.setgroups([]); os.setgid(65534); os.setuid(65534)
with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
    sock.bind("attach.sock")
    sock.listen(5)
    print("listening", flush=True)
    sys.stdin.read()
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_the_run_directory_of_another_user(tmp_path: Path) -> None:
    """Even one that lets everybody in gets no callable: its requests would run with our rights."""
    command = [sys.executable, "-c", STRANGERS, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as stranger:
        assert stranger.stdout is not None
        assert stranger.stdout.readline() == "listening\n"
        with pytest.raises(AttachError) as refused:
            attach(tmp_path, lambda x: x, name="lent", inputs=[X], outputs=[Y])
        stranger.communicate("")
    assert str(refused.value) == f"{tmp_path}: the daemon there is another user's; start one as this user"


SLOW = """
import pathlib, time
while not pathlib.Path(__file__).with_name("go").exists():
    time.sleep(0.01)
""" + ADDED.replace("def shared", "def taken")


def test_a_callable_waits_for_the_models_of_the_start(tmp_path: Path) -> None:
    """One with the name of a plugin's model is refused as ever, however early it came."""
    (tmp_path / "slow.py").write_text(SLOW)
    with ThreadPoolExecutor(2) as pool, ExitStack() as stack:
        options = ["--allow=attach", f"--run-dir={tmp_path}"]
        starting = pool.submit(lambda: stack.enter_context(run_host(tmp_path / "slow.py", options=options)))
        try:
            wait_until(lambda: list(tmp_path.glob("*/attach.sock")), 30, "it accepts connections")
            early = stack.enter_context(raw_link(tmp_path))
            early.greet(declaration("early"))
            taken = pool.submit(attach, tmp_path, lambda x: x, name="taken", inputs=[X], outputs=[Y])
        finally:
            (tmp_path / "go").touch()
        early.hear("serve")
        with pytest.raises(AttachError, match="is served already by plugin"):
            taken.result()
        assert call(starting.result(), "taken", 1) == [11]


TOLD = """
import logging

from pytriton_plugins import hookimpl

LOG = logging.getLogger("told")


@hookimpl
def pytriton_on_worker_start(worker):
    LOG.warning("told: %s started", worker.plugin)


@hookimpl
def pytriton_on_worker_exit(worker, exit):
    LOG.warning("told: %s ended", worker.plugin)
"""


def test_hooks_hear_nothing_of_a_process_that_looks_whether_the_daemon_is_there(tmp_path: Path) -> None:
    install(tmp_path, "acme-told", {"pytriton_plugins.hooks": {"told": "acme_told"}}, acme_told=TOLD)
    (tmp_path / "added.py").write_text(ADDED)
    options = ["--allow=attach", f"--run-dir={tmp_path}"]
    with run_host(tmp_path / "added.py", options=options, env={"PYTHONPATH": path_with(tmp_path)}) as host:
        for _ in range(3):
            connect(tmp_path)[0].close()
        attach(tmp_path, lambda x: x, name="real", inputs=[X], outputs=[Y]).remove()
        wait_until(lambda: "told: attached ended" in host.log, what="hooks hear of its end")
        told = [line.rpartition("told: ")[2] for line in host.log.splitlines() if "told: attached" in line]
    assert told == ["attached started", "attached ended"]
