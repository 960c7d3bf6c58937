"""The keywords of `Host`: each setting is one, as the command line has it."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest

from pytriton_plugins import Host
from pytriton_plugins.config.settings import SETTINGS
from pytriton_plugins.errors import ConfigError
from pytriton_plugins.script.keywords import HostKeywords
from pytriton_plugins.script.options import host_options


def test_type_checkers_know_every_keyword() -> None:
    expected = [setting.name for setting in SETTINGS if setting.name != "log_format"]
    assert list(HostKeywords.__annotations__) == expected
    assert list(inspect.signature(Host).parameters)[-1] == "settings"


@pytest.mark.parametrize(
    ("keywords", "options"),
    [
        ({}, []),
        ({"http_port": 0, "workers": None}, ["--http-port=0"]),
        ({"plugins": "acme"}, ["--plugin=acme"]),
        ({"plugins": ["acme", "mean"]}, ["--plugin=acme", "--plugin=mean"]),
        ({"server_options": {"log-verbose": 1, "allow-grpc": True}}, ["--server-option=log-verbose=1"]),
        ({"server_options": ["log-verbose=1"]}, ["--server-option=log-verbose=1"]),
        ({"server_options": (("log-verbose", "1"),)}, ["--server-option=log-verbose=1"]),
        ({"shm_max": "64MiB", "shm_initial": 4096, "shm_wait": 0.5}, ["--shm-max=64MiB", "--shm-initial=4096"]),
        ({"reload": True, "shm_lend": False}, ["--reload", "--no-shm-lend"]),
        ({"shm_lend": True}, ["--shm-lend"]),
        ({"run_dir": Path("/run/x")}, ["--run-dir=/run/x"]),
        (
            {"model_repositories": [Path("/a"), "b"]},
            ["--model-repository=/a", f"--model-repository={Path('b').absolute()}"],
        ),
        ({"plugins_dir": "more"}, [f"--plugins-dir={Path('more').absolute()}"]),
    ],
)
def test_keywords_become_options(keywords: dict[str, Any], options: list[str]) -> None:
    made = host_options(None, keywords)
    assert [option for option in made.options if option in options] == options
    assert made.variables == {}


def test_a_secret_and_a_flag_that_is_off_become_variables() -> None:
    made = host_options(None, {"forward_prefix": "proven-0123456789-", "forward_headers": ["x"], "reload": False})
    assert made.options == ("--forward-header=x",)
    expected = {"PYTRITON_HOST_FORWARD_PREFIX": "proven-0123456789-", "PYTRITON_HOST_RELOAD": "false"}
    assert made.variables == expected


def test_a_configuration_file(tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_text("drain_timeout = 50\n")
    made = host_options(file, {"drain_delay": 2})
    assert set(made.options) == {f"--config={file}", "--drain-delay=2"}
    assert made.stop_seconds == 50 + 2 + 8


@pytest.mark.parametrize(
    ("keywords", "error", "message"),
    [
        ({"http_port": "x"}, ConfigError, "Host: http_port: invalid port 'x': expected 0 to 65535"),
        ({"workers": 0}, ConfigError, "Host: workers: invalid number of workers 0: expected 1 to 1024"),
        ({"reload": "perhaps"}, ConfigError, "Host: reload: invalid value 'perhaps': expected true or false"),
        ({"plugins": 3}, ConfigError, "Host: plugins: invalid value 3: expected a list in brackets"),
        ({"htp_port": 0}, TypeError, "Host: unknown argument htp_port; did you mean http_port?"),
        (
            {"log_format": "text"},
            TypeError,
            "Host: log_format is not an argument: the log goes to Python's logging, whose formatters decide",
        ),
    ],
)
def test_a_mistake_is_one_line(keywords: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error) as refused:
        host_options(None, keywords)
    assert str(refused.value) == message


def test_every_mistake_has_its_line() -> None:
    with pytest.raises(ConfigError) as refused:
        host_options(None, {"http_port": -1, "grpc_port": -2})
    assert [problem[:16] for problem in refused.value.problems] == ["Host: http_port:", "Host: grpc_port:"]
