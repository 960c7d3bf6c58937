"""Options of tritonserver that are refused because the daemon could not reach or read its server."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytriton_plugins.errors import ConfigError
from pytriton_plugins.host.triton.locate import FoundServer
from pytriton_plugins.host.triton.options import ServerSettings, check_known_options, check_server_options, exit_seconds
from tests.support.paths import MODELS
from tests.support.sandbox.command import call_host

SCALARS = f"{MODELS / 'kinds.py'}:scalars"
PORTS = ("--http-port=0", "--grpc-port=0", "--metrics-port=0")
EVERY = ("shared-memory", "model-repository", "trace", "logging")
HELP = "#!/bin/sh\necho '  --allow-grpc <boolean>'\necho '  --log-verbose <integer>'\necho '  --disable-auto'\n"


@pytest.fixture
def found(tmp_path: Path) -> FoundServer:
    program = tmp_path / "tritonserver"
    program.write_text(HELP)
    program.chmod(0o755)
    return FoundServer(program, "a test")


@pytest.mark.parametrize("value", ["false", "False", "0", "off", "no", ""])
def test_grpc_is_not_switched_off(value: str) -> None:
    with pytest.raises(ConfigError) as raised:
        check_server_options(ServerSettings(options=(("allow-grpc", value),)))
    reason = "pytriton-host calls tritonserver over gRPC; leave the option out"
    assert str(raised.value) == f"--server-option allow-grpc={value}: {reason}"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("grpc-use-ssl", "true"),
        ("grpc-use-ssl", "TRUE"),
        ("grpc-use-ssl-mutual", "1"),
        ("reuse-grpc-port", "on"),
        ("load-model", "*"),
        ("allow-vertex-ai", "true"),
        ("allow-vertex-ai", "1"),
        ("log-error", "false"),
        ("log-file", "/tmp/triton.log"),
        ("log-format", "ISO8601"),
        ("help", ""),
        ("grpc-restricted-protocol", "model-repository:x=y"),
        ("http-restricted-api", "health:x=y"),
        ("grpc-port", "1"),
    ],
)
def test_options_that_cut_the_daemon_off_are_refused(name: str, value: str) -> None:
    """They are refused even with every category open."""
    with pytest.raises(ConfigError, match=f"^--server-option {name}"):
        check_server_options(ServerSettings(options=((name, value),), allow=EVERY))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("allow-grpc", "True"),
        ("allow-http", "false"),
        ("grpc-use-ssl", "off"),
        ("load-model", "mine"),
        ("allow-vertex-ai", "False"),
        ("log-format", "default"),
        ("log-verbose", "1"),
    ],
)
def test_harmless_options_are_passed_on(name: str, value: str) -> None:
    """Harmless options are passed on to tritonserver."""
    check_server_options(ServerSettings(options=((name, value),)))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("allow-grp", "false", "has no such option; did you mean allow-grpc?"),
        ("log-verbose", "", "the value is missing; write --server-option log-verbose=VALUE"),
    ],
)
def test_options_that_tritonserver_would_misread_are_refused(
    found: FoundServer, name: str, value: str, message: str
) -> None:
    """It accepts a prefix of an option's name, and takes the next option as a missing value."""
    check_known_options(found, (("log-verbose", "1"), ("disable-auto", "")))
    with pytest.raises(ConfigError) as raised:
        check_known_options(found, ((name, value),))
    assert str(raised.value).startswith(f"--server-option {name}: ")
    assert str(raised.value).endswith(message)


def test_serve_and_check_say_so_in_one_line() -> None:
    """`serve` and `check` report a refused option in one line."""
    option = "--server-option=grpc-use-ssl=true"
    served = call_host("serve", SCALARS, *PORTS, option)
    checked = call_host("check", SCALARS, *PORTS, option)
    message = (
        "--server-option grpc-use-ssl=true: pytriton-host calls tritonserver over gRPC without TLS; leave the option "
        "out and end TLS in a proxy before the port"
    )
    assert (served.returncode, served.stderr) == (2, f"pytriton-host: {message}\n")
    assert (checked.returncode, checked.stderr) == (2, f"pytriton-host: {message}\n")


@pytest.mark.parametrize(
    ("options", "seconds"),
    [
        ((), 0.0),
        ((("log-verbose", "1"), ("exit-timeout-secs", "9")), 0.0),
        ((("trace-config", "rate=1"),), 3.0),
        ((("trace-file", "t.json"), ("exit-timeout-secs", "9")), 11.0),
        ((("cache-config", "local,size=1048576"),), 3.0),
    ],
)
def test_a_server_that_writes_at_its_end_gets_more_time(options: tuple[tuple[str, str], ...], seconds: float) -> None:
    """A server that writes traces or a cache at its end gets more time."""
    assert exit_seconds(options) == seconds
