"""Attached workers whose messages a test writes by hand: wrong declarations, silence, and channels that end."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tritonclient.utils import InferenceServerException

from pytriton_plugins.host.control.attach_socket import MAX_GREETING
from pytriton_plugins.script.attach import attach
from pytriton_plugins.script.connection import connect
from pytriton_plugins.testing import RunningHost, run_host, wait_until
from tests.script.conftest import PLUGIN
from tests.support.sandbox.command import call_host
from tests.support.script.calls import X, Y, call
from tests.support.script.raw_link import RawLink, declaration, raw_link


@pytest.fixture
def others_attach(host: RunningHost, run_dir: Path) -> Iterator[None]:
    """After the test a model can come and go."""
    yield
    model = attach(run_dir, lambda x: x * 3, name="next", inputs=[X], outputs=[Y])
    assert call(host, "next", 1) == [3]
    model.remove()


def status(run_dir: Path) -> dict[str, Any]:
    """The daemon's status; whatever came before this request it has read."""
    content: dict[str, Any] = json.loads(call_host("status", "--json", f"--run-dir={run_dir}").stdout)
    return content


def served(run_dir: Path, stack: contextlib.ExitStack, name: str, **changes: Any) -> RawLink:
    """A link whose model is about to get its channels."""
    link = stack.enter_context(raw_link(run_dir))
    link.greet(declaration(name, **changes))
    link.hear("serve")
    link.say("ready")
    return link


@pytest.mark.usefixtures("others_attach")
@pytest.mark.parametrize(
    "changes",
    [{"slots": 2.0}, {"timeout": 1e12}, {"inputs": [{**declaration("m")["inputs"][0], "name": "\ud800"}]}],
    ids=["slots", "timeout", "surrogate"],
)
def test_a_wrong_declaration_is_refused(run_dir: Path, changes: dict[str, Any]) -> None:
    with raw_link(run_dir) as link:
        link.greet(declaration("wrong", **changes))
        with pytest.raises(AssertionError, match="description of its models cannot be read"):
            link.hear("serve")


@pytest.mark.usefixtures("others_attach")
def test_a_process_and_tritonserver_end_during_the_load(host: RunningHost, run_dir: Path) -> None:
    """Models can still be changed."""
    server = status(run_dir)["tritonserver"]["pid"]
    os.kill(server, signal.SIGSTOP)
    try:
        with contextlib.ExitStack() as stack:
            served(run_dir, stack, "lost")
            wait_until(lambda: "model lost: process" in host.log, what="it is being loaded")
    finally:
        os.kill(server, signal.SIGKILL)
        os.kill(server, signal.SIGCONT)
    wait_until(lambda: host.status("/v2/health/ready") == 200, 60, "the next tritonserver serves")


@pytest.mark.usefixtures("others_attach")
def test_silent_connections_wait_to_be_accepted(host: RunningHost, run_dir: Path) -> None:
    folder = Path(f"/proc/{host.process.pid}/fd")
    before = len(list(folder.iterdir()))
    with contextlib.ExitStack() as stack:
        for _ in range(MAX_GREETING + 50):
            stack.enter_context(connect(run_dir)[0])
        for _ in range(3):
            status(run_dir)
        assert len(list(folder.iterdir())) < before + MAX_GREETING + 10


@pytest.mark.parametrize("is_early", [True, False])
def test_a_slot_that_breaks_its_channel_gets_another(host: RunningHost, run_dir: Path, *, is_early: bool) -> None:
    """Whether the daemon hears first that it is free, or that its channel is lost; and again after that."""
    with contextlib.ExitStack() as stack:
        link = served(run_dir, stack, "slots")
        number, sock = link.channel()
        link.hear("serving")
        for _ in range(2):
            break_channel(host, sock, before_end=partial(say_free, run_dir, link, number) if is_early else None)
            if not is_early:
                wait_until(lambda: live_workers(run_dir, "slots") == 0, what="it is lost")
                link.say("free", channel=number)
            before = number
            number, sock = link.channel()
            assert number != before
        sock.close()


def test_a_slot_waits_for_memory_that_others_have_for_a_moment(tmp_path: Path) -> None:
    """It gets its next channel when there is room again."""
    (tmp_path / "plugged.py").write_text(PLUGIN)
    options = ["--allow=attach", f"--run-dir={tmp_path}", "--shm-initial=1m", "--shm-total=3m"]
    with run_host(tmp_path / "plugged.py", options=options) as host, contextlib.ExitStack() as stack:
        link = served(tmp_path, stack, "slots")
        number, sock = link.channel()
        link.hear("serving")
        break_channel(host, sock)
        wait_until(lambda: live_workers(tmp_path, "slots") == 0, what="it is lost")
        with raw_link(tmp_path) as other:
            other.greet(declaration("other"))
            other.hear("serve")
            other.say("ready")
            other.hear("serving")
            link.say("free", channel=number)
            wait_until(lambda: f"process {os.getpid()} gets no channel yet: " in host.log, what="there is no room")
        link.channel()[1].close()


def break_channel(host: RunningHost, sock: socket.socket, before_end: Callable[[], None] | None = None) -> None:
    """Take a request of ``slots`` and end its channel."""
    with ThreadPoolExecutor(1) as pool:
        request = pool.submit(call, host, "slots", 1)
        assert [len(sock.recv(64)) for _ in range(2)] == [40, 40]  # EXECUTE, and SEGMENT after it
        if before_end is not None:
            before_end()
        sock.close()
        with pytest.raises(InferenceServerException):
            request.result()


def say_free(run_dir: Path, link: RawLink, number: int) -> None:
    """Say that the slot is free, and return when the daemon has heard it."""
    link.say("free", channel=number)
    status(run_dir)


def live_workers(run_dir: Path, model: str) -> int:
    """The workers that have a channel."""
    (found,) = (each for each in status(run_dir)["models"] if each["model"] == model)
    workers: int = found["workers"]["live"]
    return workers
