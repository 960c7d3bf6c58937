"""Real dependencies on the loopback address, healthy and unhealthy."""

from __future__ import annotations

import http.server
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

import pytriton_plugins_dependency_health as plugin
from pytriton_plugins.testing import hook_manager
from pytriton_plugins.values import HostStatus


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers with the status that the path names."""

    def do_GET(self) -> None:
        self.send_response(int(self.path[1:]))
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of an HTTP server."""
    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=running.serve_forever)
    thread.start()
    yield f"127.0.0.1:{running.server_address[1]}"
    running.shutdown()
    running.server_close()
    thread.join()


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a program that accepts connections and never answers."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        yield f"127.0.0.1:{sock.getsockname()[1]}"


@pytest.fixture
def closed() -> Iterator[str]:
    """An address without a listener, where nobody else can listen either."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{sock.getsockname()[1]}"


def reason(**settings: Any) -> str:
    verdicts = hook_manager(plugin, settings=settings).check_readiness(HostStatus())
    assert all(not verdict.ok for _, verdict in verdicts)
    return "; ".join(verdict.reason for _, verdict in verdicts)


def test_no_dependency_no_objection() -> None:
    assert reason() == ""


def test_dependencies_that_answer(server: str) -> None:
    assert reason(urls=[f"http://{server}/200", f"http://{server}/204"], addresses=[server]) == ""


def test_a_bad_status(server: str) -> None:
    assert reason(urls=[f"http://{server}/503"]) == f"http://{server}/503 answers 503"


def test_a_refused_connection_is_the_reason(closed: str, server: str) -> None:
    found = reason(urls=[f"http://{closed}/"], addresses=[closed, server])
    assert found == f"http://{closed}/: [Errno 111] Connection refused; {closed}: [Errno 111] Connection refused"


def test_no_answer_in_time(silent: str) -> None:
    assert reason(urls=[f"http://{silent}/"], timeout=0.05) == f"http://{silent}/ does not answer within 0.05 s"


def test_an_address_without_a_port() -> None:
    assert "invalid literal for int()" in reason(addresses=["redis"])
