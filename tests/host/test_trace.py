"""Triton's own traces, which it writes when it ends."""

from __future__ import annotations

import http.client
import json
import signal
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from pytriton_plugins.testing import RunningHost, run_host, wait_until
from tests.support.paths import MODELS

SCALARS = f"{MODELS / 'kinds.py'}:scalars"
REQUESTS = 5


def ask(host: RunningHost) -> http.client.HTTPConnection:
    """Send one request; the connection stays open."""
    connection = http.client.HTTPConnection(host.http, timeout=60)
    connection.request("POST", "/v2/models/scalars/generate", '{"x": 1.5}')
    answer = connection.getresponse()
    assert (answer.status, answer.read()[:1]) == (200, b"{")
    return connection


@pytest.mark.parametrize(
    ("more", "files"),
    [
        (["rate=1"], {"trace.json": [1, 2, 3, 4, 5]}),
        (["rate=2", "mode=triton"], {"trace.json": [1, 2]}),
        (
            ["rate=1", "triton,log-frequency=2"],
            {"trace.json.0": [1, 2], "trace.json.1": [3, 4], "trace.json.2": [5]},
        ),
    ],
)
def test_traces_are_written(tmp_path: Path, more: list[str], files: dict[str, list[int]]) -> None:
    """The files are complete although a client's connection is still open."""
    file = tmp_path / "trace.json"
    settings = ["level=TIMESTAMPS", f"triton,file={file}", *more]
    options = [f"--server-option=trace-config={each}" for each in settings]
    with run_host(SCALARS, options=options) as host, ExitStack() as stack:
        for _ in range(REQUESTS):
            stack.enter_context(closing(ask(host)))
        assert host.stop() == 0
    traced = {each.name: sorted({event["id"] for event in json.loads(each.read_text())}) for each in tmp_path.iterdir()}
    assert traced == files


def test_a_second_signal_does_not_wait_for_traces(tmp_path: Path) -> None:
    """The open connection would otherwise delay tritonserver's end."""
    options = [
        f"--server-option=trace-config=triton,file={tmp_path / 'trace.json'}",
        "--server-option=exit-timeout-secs=600",
    ]
    with run_host(SCALARS, options=options) as host, closing(ask(host)):
        host.process.send_signal(signal.SIGTERM)
        wait_until(lambda: "stopping" in host.log, 30, "it stops")
        host.process.send_signal(signal.SIGTERM)
        assert host.process.wait(60) == 0
