"""Completion of values: the answers to the shell, and a real bash."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytriton_plugins.testing import RunningHost
from pytriton_plugins.testing.host import PROGRAM
from tests.support.sandbox.fake_distributions import install, path_with
from tests.support.sandbox.lone_host import lone_host

MODEL = """
from pytriton_plugins import Tensor, infer_func

PAIR = [Tensor("text", str, ()), Tensor("times", "int64", (), optional=True)]

@infer_func(inputs=PAIR, outputs=[Tensor("loud", str, ())])
def shout(text, times=1):
    return text

@infer_func(inputs=PAIR[:1], outputs=[Tensor("soft", str, ())])
def whisper(text):
    return text
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tmp")


@pytest.fixture(scope="module")
def host(folder: Path) -> Iterator[RunningHost]:
    with lone_host(folder, MODEL) as running:
        yield running


def asked(folder: Path, *words: str, flags: str = "", **env: str) -> subprocess.CompletedProcess[str]:
    """One call as click's bash script makes it; the last of ``words`` is being typed."""
    request = {"_PYTRITON_HOST_COMPLETE": "bash_complete", "COMP_WORDS": " ".join(["pytriton-host", *words])}
    variables = {**os.environ, "TMPDIR": str(folder), **request, "COMP_CWORD": str(len(words)), **env}
    command = [sys.executable, *flags.split(), "-c", PROGRAM]
    return subprocess.run(command, env=variables, capture_output=True, text=True, timeout=60, check=False)


def offered(folder: Path, *words: str, **env: str) -> list[str]:
    done = asked(folder, *words, **env)
    assert (done.returncode, done.stderr) == (0, "")
    return [line.removeprefix("plain,") for line in done.stdout.split()]


@pytest.mark.parametrize(
    ("words", "values"),
    [
        (["infer", ""], ["shout", "whisper"]),
        (["infer", "wh"], ["whisper"]),
        (["models", "load", ""], ["shout", "whisper"]),
        (["models", "load", "wh"], ["whisper"]),
        (["models", "load", "./mod"], ["file,./mod"]),
        (["models", "unload", "./mod"], []),
        (["models", "unload", "sh"], ["shout"]),
        (["models", "reload", "--timeout", "3", "sh"], ["shout"]),
        (["infer", "shout", ""], ["text=", "times="]),
        (["infer", "shout", "ti"], ["times="]),
        (["infer", "shout", "text", "="], []),
        (["infer", "shout", "text", "=", "a"], []),
        (["infer", "shout", "text", "=", "a", ""], ["times="]),
        (["infer", "shout", "text=a", ""], ["times="]),
        (["infer", "nothing", ""], []),
        (["infer", "--url", "elsewhere:1", ""], []),
        (["serve", "--optional", "wh"], ["whisper"]),
    ],
)
def test_values_of_the_running_daemon_are_offered(
    host: RunningHost, folder: Path, words: list[str], values: list[str]
) -> None:
    assert offered(folder, *words) == values


@pytest.mark.parametrize(
    ("words", "values"),
    [
        (["serve", "--allow", ""], ["shared-memory", "model-repository", "trace", "logging", "attach"]),
        (["check", "--allow", "trace", "--allow", "m"], ["model-repository"]),
        (["serve", "--log-level", ""], ["debug", "info", "warning", "error"]),
        (["config", "--log-format", "j"], ["json"]),
        (["serve", "--shm-on-full", ""], ["reject", "wait"]),
        (["serve", "--plugin", "acme-"], ["acme-models"]),
        (["serve", "--no-plugin", "acme-"], ["acme-models", "acme-hooks"]),
        (["serve", "--optional", "acme-"], ["acme-models"]),
    ],
)
def test_values_are_offered_without_a_daemon(tmp_path: Path, words: list[str], values: list[str]) -> None:
    """Without a running host completion imports no plugin."""
    raises = {"acme_broken": "raise SystemExit('imported')"}
    groups = {"pytriton_plugins.models": {"acme-models": "acme_broken"}}
    install(tmp_path, "acme", {**groups, "pytriton_plugins.hooks": {"acme-hooks": "acme_broken"}}, **raises)
    assert offered(tmp_path, *words, PYTHONPATH=path_with(tmp_path)) == values


@pytest.mark.parametrize("words", [["infer", ""], ["models", "load", ""], ["infer", "add", ""]])
def test_without_a_host_it_is_silent_and_light(tmp_path: Path, words: list[str]) -> None:
    done = asked(tmp_path, *words, flags="-X importtime")
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert (done.returncode, done.stdout.strip()) == (0, "")
    assert all(line.startswith("import time:") for line in done.stderr.splitlines())
    assert imported & {"numpy", "grpc", "rich", "asyncio", "importlib_metadata", "pluggy"} == set()


def test_broken_plugins_say_nothing_meanwhile(tmp_path: Path) -> None:
    source = "import sys\nprint('out')\nprint('err', file=sys.stderr)\nraise OSError('no')"
    install(tmp_path, "acme", {"pytriton_plugins.hooks": {"acme": "acme_hooks"}}, acme_hooks=source)
    (tmp_path / "host.toml").write_text("nothing = 1\n")
    assert "serve" in offered(tmp_path, "", PYTHONPATH=path_with(tmp_path))
    assert "serve" in offered(tmp_path, "", PYTRITON_HOST_CONFIG=str(tmp_path / "host.toml"))


class Bash:
    """An interactive bash in a terminal, with our completion."""

    def __init__(self, folder: Path) -> None:
        program = folder / "pytriton-host"
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "{PROGRAM}" "$@"\n')
        program.chmod(0o755)
        self._leader, follower = pty.openpty()
        env = {**os.environ, "TMPDIR": str(folder), "PATH": f"{folder}:{os.environ['PATH']}", "PS1": "", "TERM": "dumb"}
        command = ["bash", "--norc", "--noprofile", "-i"]
        self.process = subprocess.Popen(
            command, stdin=follower, stdout=follower, stderr=follower, env=env, start_new_session=True
        )
        os.close(follower)
        self.type('eval "$(_PYTRITON_HOST_COMPLETE=bash_source pytriton-host)"; echo re""ady\n')
        self.until("ready\r\n")

    def type(self, text: str) -> None:
        os.write(self._leader, text.encode())

    def until(self, wanted: str, seconds: float = 60) -> str:
        """The output up to ``wanted``."""
        shown, end = "", time.monotonic() + seconds
        while wanted not in shown:
            assert select.select([self._leader], [], [], max(0, end - time.monotonic()))[0], f"not shown: {shown!r}"
            shown += os.read(self._leader, 1 << 16).decode()
        return shown

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._leader)


def test_in_a_real_bash(host: RunningHost, folder: Path) -> None:
    bash = Bash(folder)
    try:
        for typed, completed in (("pytriton-host infer sho", "infer shout "), ("ti", "times="), ("3 te", "text=")):
            bash.type(f"{typed}\t")
            bash.until(completed)
        # No blank behind NAME=, where the value comes.
        bash.type("a | cat\n")
        assert "loud" in bash.until("BYTES")
    finally:
        bash.close()
