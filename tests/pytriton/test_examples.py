"""Scripts and clients that were written for PyTriton run as they are; only the distribution is another one."""

from __future__ import annotations

import contextlib
import runpy
import signal
import sys
from pathlib import Path

import pytest

from tests.support.docs.blocks import blocks
from tests.support.script.servers import running, urls

EXAMPLES = Path(__file__).parent / "examples"
NAMES = sorted(path.name for path in EXAMPLES.iterdir() if (path / "server.py").exists())
STREAMS = ("decoupled_stream",)
PAGE = {block.name: block.text for block in blocks("python") if block.page == "move-from-pytriton"}


@pytest.mark.parametrize("name", NAMES)
def test_an_example_serves_its_client(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    example = EXAMPLES / name
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(running(example / "server.py", folder=tmp_path))
        url = urls(server, tmp_path)
        if (example / "worker.py").exists():
            stack.enter_context(running(example / "worker.py", "--url", url["http"], folder=tmp_path))
        for protocol in ("grpc",) if name in STREAMS else ("http", "grpc"):
            monkeypatch.setattr(sys, "argv", ["client.py", "--url", url[protocol]])
            runpy.run_path(str(example / "client.py"), run_name="__main__")


def test_ten_examples_and_more_are_here() -> None:
    assert len(NAMES) >= 10


@pytest.mark.parametrize("server", ["server_drop_in.py", "server_attached.py"])
def test_each_client_of_the_page_calls_each_server(server: str, tmp_path: Path) -> None:
    (tmp_path / server).write_text(PAGE[server])
    with running(tmp_path / server, folder=tmp_path, stop=signal.SIGINT) as process:
        url = urls(process, tmp_path)["http"]
        for name, address in (("client_drop_in.py", '"localhost"'), ("client_native.py", '"http://localhost:8000"')):
            (tmp_path / name).write_text(PAGE[name].replace(address, repr(url)))
            runpy.run_path(str(tmp_path / name), run_name="__main__")
