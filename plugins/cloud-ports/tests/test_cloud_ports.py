"""The platform's variable sets the HTTP port: the hook's answer, and a real daemon."""

from __future__ import annotations

import re
import socket

import pytest

import pytriton_plugins_cloud_ports as plugin
from pytriton_plugins.errors import HookError
from pytriton_plugins.testing import hook_manager
from pytriton_plugins.values import Ports

PORTS = Ports(8000, 8001, 8002)


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in plugin.VARIABLES:
        monkeypatch.delenv(name, raising=False)


def chosen(attempt: int = 0) -> Ports | None:
    answer = hook_manager(plugin).choose_ports(PORTS, attempt)
    return answer.value if answer else None


def test_without_a_variable_the_ports_stay() -> None:
    assert chosen() == PORTS


@pytest.mark.parametrize("name", plugin.VARIABLES)
def test_each_variable_names_the_http_port(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "9000")
    assert chosen() == Ports(9000, 8001, 8002)


def test_a_platforms_own_variable_wins_over_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "9000")
    monkeypatch.setenv("AIP_HTTP_PORT", "9001")
    assert chosen() == Ports(9001, 8001, 8002)


def test_no_other_port_when_that_one_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "9000")
    assert chosen(attempt=1) is None


@pytest.mark.parametrize("text", ["http", "0", "65536", "-1", "8000.0"])
def test_a_value_that_is_no_port_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", text)
    with pytest.raises(HookError, match=re.escape(f"variable PORT is {text!r}; write a port")):
        chosen()


def test_the_daemon_listens_there(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    monkeypatch.setenv("PORT", str(port))
    assert hook_manager(plugin).choose_ports(PORTS) is not None
    assert chosen() == Ports(port, 8001, 8002)
