"""Exit codes, help, versions and wrong usage of `pytriton-host`."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pytriton_plugins.cli.commands import COMMANDS
from pytriton_plugins.config.host_config import HostConfig
from pytriton_plugins.config.settings import GROUPS, SETTINGS
from pytriton_plugins.discovery.entry_points import HOOKS_GROUP
from tests.cli.conftest import Called
from tests.support.sandbox.fake_distributions import install


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["serv"], "unknown command serv; did you mean serve?; see 'pytriton-host --help'"),
        (["nothing-like-it"], "unknown command nothing-like-it; see 'pytriton-host --help'"),
        (["serve", "--http-prt", "1"], "unknown option --http-prt; did you mean --http-port?; see"),
        (["serve", "--prot", "1"], "unknown option --prot; did you mean --grpc-port, --http-port or --metrics-port?"),
        (["infer", "--prot", "http"], "unknown option --prot; did you mean --protocol?; see 'pytriton-host infer"),
        (["models", "laod", "a"], "unknown command laod; did you mean load?; see 'pytriton-host models --help'"),
        (["serve", "--http-port"], "requires an argument"),
        (["serve", "--http-port", "x"], "--http-port: invalid port 'x': expected 0 to 65535"),
        (["serve", "-c", "nothing.toml"], "nothing.toml cannot be read"),
        (["list", "extra"], "unexpected extra argument"),
    ],
)
def test_wrong_usage_is_one_line_and_code_2(called: Called, arguments: list[str], expected: str) -> None:
    ran = called(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("pytriton-host: ")
    assert expected in ran.err
    assert ran.err.count("\n") == 1


def test_without_a_command_the_help(called: Called) -> None:
    ran = called()
    assert ran.code == 2
    assert all(command in ran.err for command in ("serve", "list", "infer"))


def test_help_of_serve_shows_every_option_with_its_variable(called: Called) -> None:
    ran = called("serve", "--help")
    assert ran.code == 0
    lines = [line.split() for line in ran.out.splitlines()]
    assert all(setting.help for setting in SETTINGS)
    for setting in SETTINGS:
        (line,) = [words for words in lines if words[-1:] == [setting.variable]]
        assert f"--{setting.option}" in [word.rstrip(",") for word in line]
    assert "--address, --host ADDRESS" in ran.out
    assert ["-c,", "--config", "FILE", "PYTRITON_HOST_CONFIG"] in lines


def test_help_of_serve_has_the_options_in_groups(called: Called) -> None:
    groups = re.findall(r"^(\w.*):$", called("serve", "--help").out, re.MULTILINE)
    assert groups == ["Options", *GROUPS]


CALLS = [(), *((name,) for name in COMMANDS), *(("models", name) for name in ("list", "load", "unload", "reload"))]


@pytest.mark.parametrize("command", CALLS, ids=" ".join)
def test_help_fits_a_terminal_of_80_columns(
    called: Called, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    """No line is longer, and no summary of a command is cut."""
    monkeypatch.setenv("COLUMNS", "80")
    ran = called(*command, "--help")
    assert ran.code == 0
    lines = ran.out.splitlines()
    assert [line for line in lines if len(line) > 80 or (line.endswith("...") and line.startswith(" "))] == []


def test_help_of_serve_tells_the_defaults_that_hold() -> None:
    """Each that is a value is told, except the drain delay, which has two; a word stands for a default without one."""
    told = {s.name: match[1] for s in SETTINGS if (match := re.search(r"Default: ([\w.]+)\.$", s.help))}
    config = HostConfig()
    assert (told["shm_total"], config.shm_total) == ("unlimited", None)
    valued = [s for s in SETTINGS if getattr(config, s.name) not in (None, ())]
    assert {s.name for s in valued if not s.flag} - {"drain_delay"} <= told.keys()
    parsed = {s.name: s.parse(told.pop(s.name)) for s in valued if s.name in told}
    assert len(parsed) >= 15
    assert parsed == {name: getattr(config, name) for name in parsed}
    assert [name for name, text in told.items() if not text.isalpha()] == []


def test_a_hook_plugin_names_the_server_that_version_shows(
    called: Called, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = tmp_path / "tritonserver"
    server.write_text("#!/bin/sh\n")
    server.chmod(0o755)
    source = f"""
        from pathlib import Path
        from pytriton_plugins import hookimpl

        @hookimpl
        def pytriton_choose_server():
            return Path({str(server)!r})
    """
    install(tmp_path, "acme-server", {HOOKS_GROUP: {"bundle": "acme_server"}}, acme_server=source)
    monkeypatch.syspath_prepend(str(tmp_path))
    ran = called("--version")
    assert (ran.code, ran.err) == (0, "")
    ours, python, triton = ran.out.splitlines()
    assert ours.startswith("pytriton-host ")
    assert python.startswith("Python 3.")
    assert triton.startswith(f"tritonserver {server} (")
    assert "bundle (acme-server 1.0)" in triton


def test_version_says_why_there_is_no_server(called: Called, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTRITON_HOST_TRITONSERVER", "/nothing/here")
    ran = called("--version")
    assert ran.code == 0
    assert ran.out.splitlines()[2].startswith("tritonserver none: ")


def test_completion_is_click_s_own(tmp_path: Path) -> None:
    code = "from pytriton_plugins.cli.entry import main; main()"
    environ = {
        "_PYTRITON_HOST_COMPLETE": "bash_complete",
        "COMP_WORDS": "pytriton-host serve --grpc",
        "COMP_CWORD": "2",
    }
    done = subprocess.run(
        [sys.executable, "-c", code], env={**environ, "PYTHONPATH": ":".join(sys.path)}, capture_output=True, text=True
    )
    assert done.stdout.strip() == "plain,--grpc-port"


def test_a_reader_that_goes_away_is_no_traceback() -> None:
    code = "import sys; from pytriton_plugins.cli.entry import main; sys.exit(main())"
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-c", code, "list", "--json"],
        stdout=writer,
        stderr=subprocess.PIPE,
        env={"PYTHONPATH": ":".join(sys.path), "PYTHONUNBUFFERED": ""},
        timeout=60,
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, b"")
