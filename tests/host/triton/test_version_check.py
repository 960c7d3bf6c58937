"""Old servers that other machines can reach: a warning, or a refusal with --strict-security."""

from __future__ import annotations

import logging

import pytest

from pytriton_plugins.errors import ConfigError
from pytriton_plugins.host.triton.options import ServerSettings, check_server_options, warn_of_server_options
from pytriton_plugins.host.triton.version_check import too_old
from pytriton_plugins.testing import run_host
from tests.support.paths import MODELS
from tests.support.sandbox.logs import wait_logged

SCALARS = f"{MODELS / 'kinds.py'}:scalars"


@pytest.fixture(autouse=True)
def heard(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets `caplog` get our messages even if a host has set up logging in this process."""
    monkeypatch.setattr(logging.getLogger("pytriton"), "propagate", True)


@pytest.mark.parametrize(
    ("version", "old"),
    [("2.51.0", True), ("2.69.1", True), ("2.70.0", False), ("2.100.0", False), ("3.0", False), ("unknown", True)],
)
def test_old_versions_are_recognized(version: str, old: bool) -> None:
    assert too_old(version) is old


def test_the_bundled_server_is_warned_of() -> None:
    """It serves nevertheless."""
    with run_host(SCALARS, options=["--address=0.0.0.0"]) as host:
        wait_logged(host, "tritonserver 2.51.0 is older than 26.06 (2.70) and has known security flaws, and other")


def test_on_loopback_nothing_is_said() -> None:
    with run_host(SCALARS, options=["--strict-security"]) as host:
        assert "security" not in host.log


def test_the_bundled_server_is_refused() -> None:
    """With --strict-security the start ends with one line and exit code 1."""
    with run_host(SCALARS, options=["--address=0.0.0.0", "--strict-security"], ready=False) as host:
        assert host.process.wait(60) == 1
        (line,) = [line for line in host.log.splitlines() if line.startswith("pytriton-host: ")]
        assert line.endswith("name a newer one with --tritonserver, or listen on 127.0.0.1")
        assert host.output == ""


def test_a_front_end_without_restrictions(caplog: pytest.LogCaptureFixture) -> None:
    """It is off by default, causes a warning when on, and is refused with --strict-security."""
    name = "allow-sagemaker"
    options = ((name, "true"),)
    check_server_options(ServerSettings(options=options))
    warn_of_server_options(ServerSettings(options=options))
    assert "ignores every closed category" in caplog.text
    with pytest.raises(ConfigError, match="--strict-security refuses it: leave one of the two out"):
        check_server_options(ServerSettings(options=options, strict_security=True))
    check_server_options(ServerSettings(options=((name, "false"),), strict_security=True))
