"""One host that serves every model of README.md and docs/, with the hook plugin of a page; runs in pytest."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from pytriton_plugins.testing import RunningHost, run_host
from tests.support.docs.blocks import blocks
from tests.support.docs.example_files import EXAMPLES, name_of
from tests.support.docs.example_projects import projects
from tests.support.docs.examples import PHOTO, RAISE_CODE, Examples, install, kind


@pytest.fixture(scope="session")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Examples:
    found = Examples(tmp_path_factory.mktemp("examples"), tmp_path_factory.mktemp("installed"))
    for block in blocks("python"):
        path = found.file(block)
        assert not path.exists(), f"{block}: two blocks of the page have the name {block.name}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text)
    for block in blocks("text"):
        for name in re.findall(r"(\S+\.py) +empty$", block.text, re.MULTILINE):
            (found.folder / block.page / name).touch()
    (found.folder / "send-requests" / "photo.jpg").write_bytes(PHOTO)
    for block in blocks("toml"):
        if "build-system" in block.text:
            found.file(block).write_text(block.text)
    for project in projects().values():
        install(EXAMPLES / project, found.installed)
    return found


@pytest.fixture(scope="session")
def host(examples: Examples) -> Iterator[RunningHost]:
    """One host for the models of all pages, from their files in examples/, or from the packages that pages install."""
    models = [block for block in blocks("python") if kind(block) == "model"]
    targets = [EXAMPLES / name_of(block) for block in models if "/" not in block.name]
    packaged = [block.name.removesuffix(".py").replace("/", ".") for block in models if "/" in block.name]
    codes = examples.folder / "codes.py"
    codes.write_text(RAISE_CODE)
    cache = "--server-option=cache-config=local,size=1048576"
    with run_host(*targets, codes, *packaged, options=[cache], env=examples.environment) as running:
        running.wait_settled()
        yield running
