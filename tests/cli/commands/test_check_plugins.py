"""`check` with hook plugins that hang, crash, print or are invalid: one line each, and valid JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pytriton_plugins.testing import run_host
from tests.support.installed import WITHOUT_THEM
from tests.support.sandbox.command import call_host
from tests.support.sandbox.fake_distributions import install, path_with
from tests.support.sandbox.logs import wait_logged

PORTS = ("--http-port=0", "--grpc-port=0", "--metrics-port=0")
ONLY = ("--plugin=add-sub", *PORTS)
PRINTS = """
    from pytriton_plugins import hookimpl

    print("imported")


    @hookimpl
    def pytriton_choose_ports():
        print("asked for ports")


    @hookimpl
    def pytriton_choose_shm_policy():
        print("asked for a policy")
"""


def with_hooks(folder: Path, source: str) -> dict[str, str]:
    install(folder, "acme-guard", {"pytriton_plugins.hooks": {"guard": "acme_guard"}}, acme_guard=source)
    return {"PYTHONPATH": path_with(folder)}


@pytest.mark.parametrize(
    ("source", "verdict"),
    [
        ("import signal\nwhile True: signal.pause()", "its import takes longer than 5 s and would delay the start"),
        ("import os\nos._exit(0)", "its import ends the process with exit code 0; fix or uninstall it"),
        ("import ctypes\nctypes.string_at(0)", "its import ends the process with killed by SIGSEGV"),
        ("raise SystemExit(3)", "acme_guard cannot be imported: SystemExit: 3 (line 1)"),
        ("import no_such_library", "acme_guard needs the module no_such_library, which is not installed in"),
        ("def pytriton_choose_port(): ...", "pytriton_choose_port is not marked; write @hookimpl above it"),
    ],
    ids=["hangs", "exits", "segfaults", "raises", "lacks", "unmarked"],
)
def test_a_broken_hook_plugin_is_one_bad_line(tmp_path: Path, source: str, verdict: str) -> None:
    limit = ["--import-timeout=5"] if "while True" in source else []
    done = call_host("check", *ONLY, *limit, env=with_hooks(tmp_path, source))
    (bad,) = [line for line in done.stdout.splitlines() if line.startswith("bad")]
    assert bad.startswith(f"bad  hook plugin guard (acme-guard 1.0): {verdict}")
    assert (done.returncode, done.stderr) == (1, "")
    assert any(line.startswith("ok   plugin add-sub ") for line in done.stdout.splitlines())


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("nothing.py",), "nothing.py is not a file"),
        (("--plugin=ad-sub",), "no model plugin named ad-sub; did you mean add-sub?"),
        (WITHOUT_THEM, "no model plugin is installed"),
    ],
)
def test_one_mistake_is_one_bad_line(arguments: tuple[str, ...], reason: str) -> None:
    done = call_host("check", *PORTS, *arguments)
    (bad,) = [line for line in done.stdout.splitlines() if line.startswith("bad")]
    assert bad.startswith(f"bad  plugins: {reason}")


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "--json", *ONLY),
        ("hooks", "--json"),
        ("config", "--json", "--models", "--plugin=add-sub"),
        ("list", "--json", "--models"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_output_of_a_hook_plugin_is_not_part_of_the_json(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = call_host(*arguments, env=with_hooks(tmp_path, PRINTS))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["schema"] == 1
    assert "imported" in done.stderr


FILE = """
enable = ["add-sub"]
optional = ["add-sub", "ad_sub"]

[models.add_sum]
workers = 2

[models.add_sub]
enabled = {enabled}

[plugins.memory-gaurd]
share = 0.5
"""


@pytest.mark.parametrize("enabled", ["true", "false"])
def test_unknown_names_are_reported(tmp_path: Path, enabled: str) -> None:
    """A table for a model of another machine is a warning, not an error."""
    file = tmp_path / "host.toml"
    file.write_text(FILE.format(enabled=enabled))
    done = call_host("check", *PORTS, f"--config={file}")
    assert done.returncode == 0, done.stdout
    assert done.stderr.splitlines() == [
        "[plugins.memory-gaurd] is unused: no hook plugin has that name; did you mean memory-guard?",
        "[models.add_sum] is unused: no model has that name; did you mean add_sub?",
        "optional: no model or plugin named ad_sub; did you mean add_sub?",
    ]


def test_serve_tells_them_too(tmp_path: Path) -> None:
    file = tmp_path / "host.toml"
    file.write_text(FILE.format(enabled="true"))
    with run_host(options=[f"--config={file}"]) as host:
        wait_logged(
            host,
            "WARNING pytriton.discovery: [models.add_sum] is unused",
            "WARNING pytriton.discovery: [plugins.memory-gaurd] is unused",
        )


COMMANDS = """
    import click
    from pytriton_plugins import hookimpl


    @hookimpl
    def pytriton_add_commands():
        {body}
"""


def test_broken_command_hooks_are_bad_lines(tmp_path: Path) -> None:
    """Only `check` calls this hook, and other plugins keep their commands."""
    bodies = {
        "raises": "raise ValueError('no [red] \\x1b[31m')",
        "wrong": "return ['greet']",
        "ends": "import os; os._exit(3)",
        "hangs": "import signal\n        while True: signal.pause()",
        "ours": "return [click.Command(name) for name in ('serve', 'fine')]",
        "nameless": "return [click.Command(None)]",
        "first": "return [click.Command('same'), click.Command('good')]",
        "second": "return [click.Command('same')]",
    }
    for name, body in bodies.items():
        groups = {"pytriton_plugins.hooks": {name: f"acme_{name}"}}
        install(tmp_path, f"acme-{name}", groups, **{f"acme_{name}": COMMANDS.format(body=body)})
    done = call_host("check", *ONLY, "--import-timeout=5", env={"PYTHONPATH": path_with(tmp_path)})
    told = [line for line in done.stdout.splitlines() if "hook plugin " in line and "acme-" in line]
    verdicts = {line.partition("plugin ")[2].partition(" (")[0]: line for line in told}
    assert done.returncode == 1
    assert {name: line.partition("1.0): ")[2] for name, line in verdicts.items()} == {
        "raises": "pytriton_add_commands raised ValueError: no [red] \\x1b[31m; fix or uninstall it",
        "wrong": "pytriton_add_commands returned 'greet'; it must return Command or None; fix or uninstall it",
        "ends": "its pytriton_add_commands ends the process with exit code 3; fix or uninstall it",
        "hangs": "its pytriton_add_commands takes longer than 5 s; fix or uninstall it",
        "ours": "pytriton_add_commands adds the command serve, which is pytriton-host's own; fix or uninstall it",
        "nameless": "pytriton_add_commands adds a command with an invalid name (''); fix or uninstall it",
        "first": "usable",
        "second": "pytriton_add_commands adds same, and so does hook plugin first (acme-first 1.0): neither is used; "
        "fix or uninstall it",
    }
    assert [line[:3] for name, line in verdicts.items() if name != "first"] == ["bad"] * 7
