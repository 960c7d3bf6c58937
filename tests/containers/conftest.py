"""An image that `pytriton-host image` describes, built on a bare Debian; needs root, podman, runc and mmdebstrap."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.paths import MODELS
from tests.support.sandbox.command import call_host
from tests.support.sandbox.podman import Podman

ROOT = Path(__file__).parents[2]
BASE = "localhost/bare:1"
IMAGE = "localhost/acme:1"
PROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "acme-tested"
version = "1.5"
description = 'Models that "tests" call for $5'
license = "MIT"
dependencies = ["pytriton-plugins"]
urls = {Repository = "https://example.com/acme"}

[project.entry-points."pytriton_plugins.models"]
echo = "acme_tested.memory:echo"
life = "acme_tested.life"
"""


@pytest.fixture(scope="session")
def podman(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Podman]:
    missing = [name for name in ("mmdebstrap", "podman", "runc", "catatonit") if shutil.which(name) is None]
    if os.geteuid() != 0 or missing:
        pytest.fail(f"this environment needs root and {', '.join(missing)}: apt-get install them")
    one = Podman(tmp_path_factory.mktemp("podman"))
    try:
        yield one
    finally:
        one.remove()


@pytest.fixture(scope="session")
def context(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output of `pytriton-host image` for two plugins of this checkout and one of the tests."""
    folder = tmp_path_factory.mktemp("context")
    package = folder / "project" / "acme_tested"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    for name in ("life.py", "memory.py"):
        shutil.copy(MODELS / name, package)
    (package.parent / "pyproject.toml").write_text(PROJECT)
    config = folder / "served.toml"
    config.write_text('drain_delay = 1\n[shm]\nmax = "400MiB"\n')
    plugins = [str(package.parent), *(str(ROOT / name) for name in ("examples/add-sub", "plugins/tritonserver"))]
    options = ["--server=bundle", f"--output={folder / 'image'}", f"--config={config}"]
    done = call_host("image", "--install", *plugins, *options)
    assert done.returncode == 0, done.stderr
    return folder / "image"


@pytest.fixture(scope="session")
def image(podman: Podman, context: Path) -> str:
    podman.import_bare_root(BASE)
    podman.build(context, IMAGE, f"--build-arg=BASE={BASE}")
    size = int(podman.inspect("image", IMAGE)["Size"])
    base = int(podman.inspect("image", BASE)["Size"])
    print(f"\nthe image has {size / 1e6:.0f} MB, {(size - base) / 1e6:.0f} MB above its base")
    return IMAGE
