"""The hook modules of the pages do what the table of examples/ says, each installed from its project there."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pytriton_plugins.testing import RunningHost, run_host, wait_until
from tests.support.docs.blocks import ROOT
from tests.support.docs.example_files import EXAMPLES
from tests.support.docs.example_projects import hook_modules
from tests.support.docs.example_table import table
from tests.support.docs.examples import install
from tests.support.sandbox.command import call_host
from tests.support.sandbox.fake_distributions import path_with
from tests.support.traffic.clients import attempt

COMMANDS = {row.file.strip("/"): row.command for row in table()}
DEPENDENCY = "127.0.0.1:5432"
"""The address in the configuration of acme-dependency."""


@pytest.fixture
def env(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """The variables with which a command finds the project with the name of the parameter."""
    install(EXAMPLES / request.param, tmp_path)
    return {"PYTHONPATH": path_with(tmp_path)}


def of(name: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("env", [name], indirect=True)


def served(name: str, folder: Path, *, change: Callable[[str], str] = str) -> tuple[Path, list[str]]:
    """The target and the options of the table's `serve`; ``change`` makes another text of the configuration file."""
    _, _, *options, target = COMMANDS[name]
    if "--config" in options:
        config = folder / "pytriton-host.toml"
        config.write_text(change((ROOT / options[options.index("--config") + 1]).read_text()))
        options[options.index("--config") + 1] = str(config)
    return ROOT / target, options


@pytest.mark.parametrize("env", sorted(hook_modules()), indirect=True)
def test_the_daemon_accepts_it(env: dict[str, str], request: pytest.FixtureRequest) -> None:
    name = request.node.callspec.params["env"]
    assert f"{name} ({name} 1.0)" in call_host("hooks", env={**env, "COLUMNS": "400"}).stdout


def test_every_module_is_run() -> None:
    assert hook_modules().keys() == {"acme-ports", "acme-memory", "acme-dependency", "acme-start", "acme-both"}


@of("acme-ports")
def test_the_port_is_the_platforms(env: dict[str, str]) -> None:
    variable, program, *arguments = COMMANDS["acme-ports"]
    assert program == "pytriton-host"
    done = call_host(*arguments, env={**env, **dict([variable.split("=")])})
    assert "http_port 9000 hook plugin acme-ports (acme-ports 1.0)" in " ".join(done.stdout.split())


@of("acme-both")
def test_a_port_in_use_is_not_taken(env: dict[str, str]) -> None:
    """At an address of its own, where nothing else listens."""
    with socket.create_server(("127.0.0.77", 8000)):
        done = call_host(*COMMANDS["acme-both"][1:], "--address=127.0.0.77", env=env)
    (line,) = [line for line in done.stdout.splitlines() if " ports: HTTP " in line]
    assert line.startswith("ok")
    assert "HTTP 8000" not in line


@of("acme-start")
def test_the_start_is_logged(env: dict[str, str], tmp_path: Path) -> None:
    target, options = served("acme-start", tmp_path)
    with run_host(target, options=options, env=env) as host:
        wait_until(lambda: "ready with add" in host.log, 10, "the line is in the log")


@of("acme-memory")
def test_the_setting_is_the_limit_of_models_of_images(env: dict[str, str], tmp_path: Path) -> None:
    target, options = served("acme-memory", tmp_path, change=lambda text: text.replace("8192", "16"))
    with run_host(target, options=options, env=env) as host:
        image = np.zeros((1, 2400, 2400, 3), np.uint8)
        error = attempt(host, "grpc", "colours", {"image": image}).error
    assert "the limit of the model is 16.0 MiB" in error
    assert "send smaller batches" in error


@of("acme-dependency")
def test_it_is_not_ready_without_the_dependency(env: dict[str, str], tmp_path: Path) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{server.getsockname()[1]}"
        target, options = served("acme-dependency", tmp_path, change=lambda text: text.replace(DEPENDENCY, address))
        with run_host(target, options=options, env=env, ready=False) as host:
            reported(host, f"{address}: Connection refused")
            server.listen()
            host.wait_ready()


def reported(host: RunningHost, reason: str) -> None:
    wait_until(lambda: reason in host.log, 30, "the reason is in the log")
    assert host.status("/v2/health/ready") == 400
