"""A tritonserver with this backend lives exactly as long as its link to the daemon."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from pytriton_plugins.host.triton.options import ServerSettings, command_line
from pytriton_plugins.host.triton.repository import create_repository
from pytriton_plugins.shm.declaration import pack_declaration
from pytriton_plugins.shm.long import sealed_file
from pytriton_plugins.shm.wire import LinkKind, LinkMessage
from pytriton_plugins.testing import wait_until
from pytriton_plugins.testing.ports import held_ports
from pytriton_plugins.values import Ports
from tests.support.backend.golden import golden
from tests.support.backend.server import GOLDEN, TIMEOUT, WAIT, error_of, found_server, run_backend


def test_the_end_of_the_link_ends_the_server_even_while_it_works(tmp_path: Path) -> None:
    with run_backend(tmp_path) as backend:
        backend.serve(1, GOLDEN, pack_declaration(GOLDEN, wait=WAIT, largest_response=1 << 20))
        worker = backend.connect(1)
        waiting = backend.infer("golden", {"x": np.ones((1, 1), np.float32)})
        worker.receive()
        backend.close_link()
        wait_until(lambda: not backend.alive, TIMEOUT, "tritonserver ends")
        assert worker.ended()
        assert "the daemon exited" in " ".join(backend.server.child.last_lines)
        error_of(waiting)
        worker.close()


DECLARED = golden("declaration", "declaration")


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (LinkMessage(99), "a message of an unknown kind"),
        (LinkMessage(LinkKind.HELLO, value=2), "the daemon uses another protocol version"),
        (LinkMessage(LinkKind.MODEL, model=1), "a declaration is too short"),
        (LinkMessage(LinkKind.MODEL, model=1, payload=DECLARED + b"x"), "a declaration is truncated, too long"),
        (LinkMessage(LinkKind.MODEL, model=1, payload=DECLARED[:-1]), "a declaration is truncated, too long"),
        (
            LinkMessage(LinkKind.MODEL, model=1, payload=DECLARED.replace(b"\x0d", b"\x0f")),
            "a declaration is truncated, too long, or has an invalid data type",
        ),
        (LinkMessage(LinkKind.MODEL, model=1, value=2**64 - 1), "a declaration without its file"),
        (LinkMessage(LinkKind.CHANNEL, model=7), "a channel for an unknown model"),
        (LinkMessage(LinkKind.SEGMENT, token=1), "a segment without its descriptor"),
    ],
)
def test_a_message_that_cannot_be_ends_the_server(tmp_path: Path, message: LinkMessage, reason: str) -> None:
    with run_backend(tmp_path) as backend:
        backend.send(message)
        wait_until(lambda: not backend.alive, TIMEOUT, "tritonserver ends")
        assert f"pytriton backend: {reason}" in " ".join(backend.server.child.last_lines)


@pytest.mark.parametrize("length", [len(DECLARED) - 1, len(DECLARED) + 1, 2**64 - 1])
def test_a_file_of_another_length_than_is_said_is_not_read(tmp_path: Path, length: int) -> None:
    with run_backend(tmp_path) as backend:
        file = sealed_file(DECLARED)
        backend.send(LinkMessage(LinkKind.MODEL, model=1, value=length), file)
        os.close(file)
        wait_until(lambda: not backend.alive, TIMEOUT, "tritonserver ends")
        assert "pytriton backend: a declaration that cannot be read" in " ".join(backend.server.child.last_lines)


def test_without_a_link_the_server_says_what_to_start_instead(tmp_path: Path) -> None:
    create_repository(tmp_path / "repository")
    env = {name: value for name, value in os.environ.items() if name != "PYTRITON_BACKEND_LINK"}
    with held_ports() as ports:
        command = command_line(found_server(), ServerSettings(), Ports(*ports), tmp_path / "repository", "secret")
        for link in (None, "", "x", "-1", "999", "1 "):
            given = env if link is None else {**env, "PYTRITON_BACKEND_LINK": link}
            ended = subprocess.run(command, env=given, capture_output=True, text=True, timeout=TIMEOUT)
            assert ended.returncode == 1, link
            line = "pytriton backend: no link to the daemon; start this server with pytriton-host"
            assert line in ended.stderr.splitlines(), link
