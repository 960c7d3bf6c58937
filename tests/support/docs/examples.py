"""The examples of README.md and docs/ as files and installed packages, and a way to ask a host."""

from __future__ import annotations

import ast
import http.client
import os
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pytriton_plugins.testing import RunningHost
from tests.support.docs.blocks import Block, is_script

RAISE_CODE = """
import os
import numpy as np
from pytriton_plugins import RequestError, Tensor, infer_func

@infer_func(inputs=[Tensor("code", str, ())], outputs=[Tensor("never", np.int8, ())])
def raise_code(code):
    if code[0] == "exit":
        os._exit(4)
    if code[0] == "ValueError":
        raise ValueError("asked for it")
    raise RequestError(f"asked for {code[0]}", code=code[0])
"""
"""The model that the tables about errors send their requests to."""


def kind(block: Block) -> str:
    """The use of a Python block."""
    stem = Path(block.name).stem
    if block.page == "move-from-pytriton":
        return "moved"
    if is_script(block):
        return "script"
    if stem.startswith("test_"):
        return "test"
    if stem.startswith("client"):
        return "client"
    if all(isinstance(statement, (ast.Import, ast.ImportFrom)) for statement in ast.parse(block.text).body):
        return "imports"
    return "hooks" if "@hookimpl" in block.text else "model" if "@infer_func" in block.text else "unknown"


@dataclass(frozen=True)
class Examples:
    """The files of all pages, with a folder for each page, and the installed packages among them."""

    folder: Path
    installed: Path

    @property
    def environment(self) -> dict[str, str]:
        path = os.pathsep.join(filter(None, [str(self.installed), os.environ.get("PYTHONPATH", "")]))
        return {"PYTHONPATH": path, "MAINTENANCE_FLAG": str(self.flag)}

    @property
    def flag(self) -> Path:
        return self.folder / "flag"

    def file(self, block: Block) -> Path:
        return self.folder / block.page / (block.name or "model.py")


def install(project: Path, target: Path) -> None:
    """Build a wheel with the installed hatchling and unpack it, without a package index."""
    build = "import sys; from hatchling.build import build_wheel; print(build_wheel(sys.argv[1]))"
    done = subprocess.run([sys.executable, "-c", build, str(target)], cwd=project, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(target / done.stdout.split()[-1]) as wheel:
        wheel.extractall(target)


PHOTO = b"\xff\xd8\xff\xe0 as much of a JPEG as the pages look at"
"""`photo.jpg` of the pages."""


def ask(
    host: RunningHost, path: str, body: str | bytes | None, headers: Mapping[str, str] | None = None
) -> tuple[int, bytes]:
    """The answer that curl would get: GET without a body, else POST."""
    connection = http.client.HTTPConnection(host.http, timeout=60)
    try:
        connection.request("POST" if body else "GET", path, body, dict(headers or {}))
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()
