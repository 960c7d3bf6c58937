"""A model that takes long to load holds nothing else back: its backend waits for the end of a pipe."""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from pytriton_plugins.host.control.client import find_host
from pytriton_plugins.testing import RunningHost, run_host, wait_until
from tests.support.models.repositories import ensemble, install_model, of_backend, write
from tests.support.sandbox.fake_distributions import path_with

LIMIT = 60.0
BACKEND = """
#include <fcntl.h>
#include <unistd.h>

void *TRITONBACKEND_ModelInitialize(void *model)
{
    char end;
    int pipe = open(PIPE, O_RDONLY);
    (void)model;
    while (read(pipe, &end, 1) > 0)
        ;
    close(pipe);
    return NULL;
}

void *TRITONBACKEND_ModelInstanceExecute(void *instance, void **requests, unsigned count)
{
    (void)instance, (void)requests, (void)count;
    return NULL;
}
"""


@attrs.frozen
class Slow:
    """A daemon that loads the model ``slow``, its repository, and the pipe that the model's backend reads."""

    host: RunningHost
    folder: Path
    pipe: Path

    def ask(self, command: str, **more: Any) -> dict[str, Any]:
        with contextlib.closing(find_host(None, self.host.process.pid)) as connection:
            return dict(connection.ask({"command": command, **more}, LIMIT))

    def models(self) -> dict[tuple[str, int], str]:
        """Why each model is not ready."""
        return {(each["model"], each["version"]): each["reason"] for each in self.ask("status")["models"]}

    @contextlib.contextmanager
    def loading(self) -> Iterator[None]:
        """The model is being loaded until the end of the context."""
        found: list[int] = []

        def is_read() -> bool:
            with contextlib.suppress(OSError):  # nobody reads it yet
                found.append(os.open(self.pipe, os.O_WRONLY | os.O_NONBLOCK))
            return bool(found)

        wait_until(is_read, LIMIT, "Triton loads the model")
        try:
            yield
        finally:
            os.close(found[0])


def compile_backend(pipe: Path, library: Path) -> None:
    """A backend whose models are initialized when the writer of ``pipe`` has closed it."""
    options = ["-shared", "-fPIC", f'-DPIPE="{pipe}"', "-o", str(library)]
    subprocess.run([os.environ.get("CC", "cc"), *options, "-x", "c", "-"], input=BACKEND, text=True, check=True)


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slow]:
    site, folder = tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("models")
    install_model(site, "plus", "x + 1")
    install_model(site, "user", "x", calls=["over"])
    pipe = folder.parent / "pipe"
    os.mkfifo(pipe)
    compile_backend(pipe, write(folder, "slow", of_backend("slow")) / "libtriton_slow.so")
    write(folder, "quick", ensemble("plus"))
    write(folder, "over", ensemble("quick"))
    options = ["--plugin=plus", "--plugin=user", f"--model-repository={folder}"]
    with run_host(options=options, env={"PYTHONPATH": path_with(site)}, ready=False) as host:
        yield Slow(host, folder, pipe)


def test_the_others_serve_while_a_model_is_loaded(slow: Slow) -> None:
    with slow.loading():
        wait_until(lambda: slow.models()["user", 1] == "", LIMIT, "the caller of an ensemble serves")
        assert slow.models() == {
            ("over", 1): "",
            ("plus", 1): "",
            ("quick", 1): "",
            ("slow", 1): "it is being loaded",
            ("user", 1): "",
        }
    wait_until(lambda: slow.ask("health", check="ready")["ok"], LIMIT, "the daemon is ready")


def test_the_old_version_serves_while_a_new_one_is_loaded(slow: Slow) -> None:
    (slow.folder / "slow" / "2").mkdir()
    question = {"model": "slow", "version": None, "timeout": LIMIT}
    done: list[Any] = []
    reload = threading.Thread(target=lambda: done.append(slow.ask("reload", **question)))
    reload.start()
    with slow.loading():
        assert slow.models()["slow", 1] == ""
        assert slow.ask("health", check="ready")["ok"]
    reload.join(LIMIT)
    assert done[0]["done"] == ["model slow: serving"]
    assert [key for key in slow.models() if key[0] == "slow"] == [("slow", 2)]
