"""Attached workers whose messages a test writes by hand: wrong declarations, silence, and channels that end."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tritonclient.utils import InferenceServerException

from pytriton_plugins.host.control.attach_socket import MAX_GREETING
from pytriton_plugins.script.attach import attach
from pytriton_plugins.script.connection import connect
from pytriton_plugins.testing import RunningHost, wait_until
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
        pool = stack.enter_context(ThreadPoolExecutor(1))
        for _ in range(2):
            request = pool.submit(call, host, "slots", 1)
            assert sock.recv(64) and sock.recv(64)  # EXECUTE, and SEGMENT after it
            if is_early:
                link.say("free", channel=number)
                status(run_dir)
            sock.close()
            with pytest.raises(InferenceServerException):
                request.result()
            if not is_early:
                wait_until(lambda: live_workers(run_dir, "slots") == 0, what="it is lost")
                link.say("free", channel=number)
            before = number
            number, sock = link.channel()
            assert number != before
        sock.close()


def live_workers(run_dir: Path, model: str) -> int:
    """The workers that have a channel."""
    (found,) = (each for each in status(run_dir)["models"] if each["model"] == model)
    workers: int = found["workers"]["live"]
    return workers
