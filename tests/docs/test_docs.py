"""The examples of README.md and docs/ are run: models on a real host, clients against it, commands; runs in pytest."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from pytriton_plugins.cli.commands.serve import command as serve_command
from pytriton_plugins.cli.options import flags_of
from pytriton_plugins.config.loading import load_config
from pytriton_plugins.hooks.manager import HookManager
from pytriton_plugins.testing import RunningHost, run_host, wait_until
from pytriton_plugins.testing.host import PROGRAM
from tests.support.docs.blocks import ROOT, Block, Command, blocks, commands
from tests.support.docs.examples import PHOTO, Examples, ask, kind
from tests.support.sandbox.command import call_host

OTHER_PROGRAMS = {"python3", "pip", ".", "docker", "podman", "kubectl", "helm", "ln", "mkdir", "py-spy", "systemctl"}
"""Commands that set up a machine: read here, and run elsewhere (tests/packaging, tests/containers)."""

ANY_PORTS = {f"PYTRITON_HOST_{name}_PORT": "0" for name in ("HTTP", "GRPC", "METRICS")}
_DEFAULTS = re.compile(r"(?:127\.0\.0\.1|localhost):(800[012])")


def at(host: RunningHost, text: str) -> str:
    """``text`` with the default addresses replaced by those of ``host``."""
    return _DEFAULTS.sub(lambda match: {"8000": host.http, "8001": host.grpc, "8002": host.metrics}[match[1]], text)


def words(text: str) -> list[str]:
    """What a command prints without its layout."""
    return re.sub(r"[─━]+", " ", text).split()


def test_every_python_block_is_run() -> None:
    assert [str(block) for block in blocks("python") if kind(block) == "unknown"] == []


@pytest.mark.parametrize("block", [block for block in blocks("python") if kind(block) == "imports"], ids=str)
def test_imports_of_the_pages_work(block: Block) -> None:
    exec(compile(block.text, block.name, "exec"), {})


@pytest.mark.parametrize("block", [block for block in blocks("python") if kind(block) == "client"], ids=str)
def test_clients_get_what_they_expect(block: Block, host: RunningHost) -> None:
    exec(compile(at(host, block.text), block.name, "exec"), {"__name__": "__main__"})


@pytest.mark.parametrize("block", [block for block in blocks("python") if kind(block) == "hooks"], ids=str)
def test_hook_plugins_are_accepted(block: Block) -> None:
    plugin = ModuleType(block.name)
    exec(compile(block.text, block.name, "exec"), plugin.__dict__)
    HookManager().register(plugin, block.name)


@pytest.mark.parametrize("page", sorted({block.page for block in blocks("python") if kind(block) == "test"}))
def test_tests_pass(page: str, examples: Examples) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(examples.folder / page)]
    done = subprocess.run(
        command, cwd=examples.folder / page, env={**os.environ, **examples.environment}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_hook_of_the_pages_closes_the_gate(host: RunningHost, examples: Examples) -> None:
    examples.flag.touch()
    wait_until(lambda: host.status("/v2/health/ready") == 400, what="ready is 400")
    wait_until(lambda: f"{examples.flag} exists" in host.log, what="the reason is in the log")
    examples.flag.unlink()
    wait_until(lambda: host.status("/v2/health/ready") == 200, what="ready is 200 again")


def test_nothing_of_the_host_lies_in_dev_shm(host: RunningHost) -> None:
    mapped = [path for path in Path("/proc").glob("[0-9]*") if descends(path, host.process.pid)]
    assert len(mapped) > 2
    assert [path for path in mapped if "/dev/shm/" in maps(path)] == []


def maps(process: Path) -> str:
    try:
        return (process / "maps").read_text()
    except OSError:
        return ""  # it ended meanwhile


def descends(process: Path, ancestor: int) -> bool:
    try:
        parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return False
    return int(process.name) == ancestor or (parent > 1 and descends(Path("/proc", str(parent)), ancestor))


def program(command: Command) -> list[str]:
    """The command's words without the variables before it."""
    parts = shlex.split(command.line)
    while "=" in parts[0]:
        parts = parts[1:]
    return parts


def described(command: Command) -> str:
    return f"{command.block}-{'-'.join(program(command)[:2])}"


def those(*starts: tuple[str, ...]) -> list[Command]:
    return [
        command for command in commands() if any(tuple(program(command)[: len(start)]) == start for start in starts)
    ]


def test_every_command_is_known() -> None:
    run = those(("pytriton-host",), ("curl",))
    assert {Path(program(command)[0]).name or "." for command in commands() if command not in run} <= OTHER_PROGRAMS


@pytest.mark.parametrize("command", those(("pytriton-host", "infer"), ("pytriton-host", "list")), ids=described)
def test_commands_print_what_the_page_shows(command: Command, host: RunningHost, examples: Examples) -> None:
    arguments = program(command)[1:]
    url = ["--url", host.grpc] if arguments[0] == "infer" else []
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments, *url],
        cwd=examples.folder / command.block.page if command.block.page == "send-requests" else None,
        env={**os.environ, **examples.environment, "COLUMNS": "200"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    for line in command.output.splitlines() if arguments[0] == "list" else [command.output]:
        assert " ".join(words(line)) in " ".join(words(done.stdout))


@pytest.mark.parametrize(
    "command",
    those(*(("pytriton-host", name) for name in ("new", "image", "manifests", "hooks", "check", "config"))),
    ids=described,
)
def test_commands_that_need_no_host(command: Command, tmp_path: Path, examples: Examples) -> None:
    arguments = program(command)[1:]
    done = subprocess.run(
        [sys.executable, "-m", "pytriton_plugins", *arguments],
        cwd=tmp_path,
        env={**os.environ, **examples.environment, **ANY_PORTS},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    # Other hook plugins may be installed beside those of the pages, and stand in the same lines.
    printed = [set(words(line)) for line in done.stdout.splitlines()]
    for line in command.output.splitlines():
        assert any(set(words(line)) <= each for each in printed), line


@pytest.mark.parametrize("command", those(("pytriton-host", "health"), ("pytriton-host", "status")), ids=described)
def test_commands_that_ask_the_running_host(command: Command, host: RunningHost) -> None:
    given, _, _ = " ".join(program(command)[1:]).partition(" --run-dir ")
    arguments = [*given.split(), f"--pid={host.process.pid}"]
    done = call_host(*arguments)
    assert (done.returncode, done.stderr) == (0, "")


def test_models_come_and_go(host: RunningHost) -> None:
    """In the order of the page, because each command needs the result of the one before."""
    for command in those(("pytriton-host", "models")):
        done = call_host(*program(command)[1:], f"--pid={host.process.pid}")
        assert done.returncode == 0, done.stderr
        assert command.output in done.stdout


@pytest.mark.parametrize(
    "words",
    sorted(set(re.findall(r"exec: {command: \[pytriton-host, ([^]]+)\]", "".join(b.text for b in blocks("yaml"))))),
)
def test_exec_probes_pass(words: str, host: RunningHost) -> None:
    done = call_host(*words.split(", "), f"--pid={host.process.pid}")
    assert (done.returncode, done.stderr) == (0, "")


def test_every_command_of_ours_is_run() -> None:
    """A page cannot show a command that no test runs."""
    own = ("new", "image", "manifests", "hooks", "check", "config", "list")
    run = (*own, "debug", "infer", "serve", "health", "status", "models")
    assert {program(command)[1] for command in those(("pytriton-host",))} <= set(run)


@pytest.mark.parametrize("command", those(("pytriton-host", "debug")), ids=described)
def test_a_model_is_debugged_as_the_page_shows(command: Command, tmp_path: Path, examples: Examples) -> None:
    """What is typed after pdb's prompt goes to standard input, which nothing echoes."""
    shutil.copytree(examples.folder / command.block.page, tmp_path, dirs_exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *program(command)[1:]],
        cwd=tmp_path,
        input="".join(f"{line}\n" for line in re.findall(r"^\(Pdb\) (.*)$", command.output, re.MULTILINE)),
        env={**os.environ, **examples.environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    shown = re.sub(r"^\(Pdb\) .*$", "(Pdb)", command.output.replace("/home/me", str(tmp_path)), flags=re.MULTILINE)
    assert sorted(words(shown)) == sorted(words(done.stdout)) or not command.output


@pytest.mark.parametrize("command", those(("pytriton-host", "serve")), ids=described)
def test_options_of_serve_are_right(command: Command, tmp_path: Path) -> None:
    before = dict(part.split("=", 1) for part in shlex.split(command.line) if re.match(r"PYTRITON_\w+=", part))
    (tmp_path / "other.toml").touch()
    load_serve(program(command)[2:], before, tmp_path)


@pytest.mark.parametrize("command", those(("docker", "run")), ids=described)
def test_variables_and_options_that_docker_passes_on_are_valid(command: Command, tmp_path: Path) -> None:
    arguments = program(command)
    variables = [arguments[index + 1] for index, part in enumerate(arguments) if part == "-e"]
    if "serve" in arguments:
        load_serve(arguments[arguments.index("serve") + 1 :], {}, tmp_path)
    load_serve([], dict(part.split("=", 1) for part in variables), tmp_path)


def load_serve(arguments: list[str], environ: dict[str, str], folder: Path) -> None:
    context = serve_command.make_context("serve", arguments)
    load_config((), flags_of(context), environ, folder)


def test_serve_prints_what_the_quick_start_shows(examples: Examples) -> None:
    """Line by line, with a host that serves its model only."""
    (command,) = [command for command in those(("pytriton-host", "serve")) if command.output]
    (block,) = [block for block in blocks("python") if block.page == command.block.page and kind(block) == "model"]
    with run_host(examples.file(block)) as host:
        host.wait_settled()
        wait_until(lambda: "curl" in host.output, what="the lines are there")
        shown = re.sub(r" --url \S+", "", host.output).replace(str(examples.file(block)), block.name)
        assert [words(line) for line in shown.splitlines()] == [
            words(at(host, line)) for line in command.output.splitlines()
        ]


@pytest.mark.parametrize("command", those(("curl",)), ids=described)
def test_curl_gets_what_the_page_shows(command: Command, host: RunningHost) -> None:
    parts = program(command)
    (url,) = [part for part in parts if part.startswith("http://")]
    body: str | bytes | None = parts[parts.index("-d") + 1] if "-d" in parts else None
    if "--data-binary" in parts:
        assert parts[parts.index("--data-binary") + 1] == "@photo.jpg"
        body = PHOTO
    headers = dict([parts[parts.index("-H") + 1].split(": ")]) if "-H" in parts else {}
    status, answer = ask(host, url.partition("8000")[2], body, headers)
    if "%{http_code}" in parts:
        assert str(status) == command.output
    elif "-o" in parts:  # a terminal shows nothing of the lengths
        assert "".join(filter(str.isprintable, answer.decode())) == command.output
    elif command.output.startswith("data: "):
        assert answer.decode().strip() == command.output
    else:
        assert json.loads(answer) == json.loads(command.output)


DEPLOYMENT = (ROOT / "docs/deploying/kubernetes/deployment.yaml").read_text()


@pytest.mark.parametrize("path", sorted(set(re.findall(r"path: (/v2\S+)", DEPLOYMENT))))
def test_probes_are_answered(path: str, host: RunningHost) -> None:
    assert host.status(path) == 200


def test_the_health_check_of_the_containerfile_runs(host: RunningHost) -> None:
    (block,) = blocks("dockerfile")
    lines = block.text.replace("\\\n", "").splitlines()
    (line,) = [line for line in lines if line.startswith("HEALTHCHECK")]
    name, *arguments = json.loads(line.partition("CMD ")[2])
    assert name == "pytriton-host"
    assert call_host(*arguments, f"--pid={host.process.pid}").returncode == 0
