"""The files of examples/ that README.md and docs/ show: their texts are the blocks of the pages."""

from __future__ import annotations

import re

from tests.support.docs.blocks import ROOT, Block, blocks, is_script
from tests.support.docs.example_projects import hook_files, projects

EXAMPLES = ROOT / "examples"

PROJECTS = ("acme-standard", "add-sub", "file-topics", "file-type", "text-embedding")
"""Folders of examples/ that no page shows in full."""

_MARKED = re.compile(r"^@infer_func\b.*?^(?:async )?(?:def|class) (\w+)", re.MULTILINE | re.DOTALL)
_EMPTY = re.compile(r"^ +(\S+\.py) +empty$", re.MULTILINE)


def is_model(block: Block) -> bool:
    """Whether a Python block is a model, and not a test, a client or a program that serves one."""
    return "@infer_func" in block.text and not block.name.startswith("test_") and not is_script(block)


def name_of(block: Block) -> str:
    """The path of a model below examples/: the name that its first line gives, else the name of the callable."""
    project = projects().get(block.page)
    if project and block.name:
        return f"{project}/{block.name}"
    (name, *_) = _MARKED.findall(block.text)
    return block.name or f"{name}.py"


def example_files() -> dict[str, str]:
    """The text of each file, by its path below examples/."""
    found: dict[str, str] = {}
    for block in _shown():
        name = name_of(block)
        assert name not in found, f"{block}: another block has the name {name}"
        found[name] = block.text
    for block in blocks("text"):
        project = projects().get(block.page)
        if project:
            found |= {f"{project}/{name}": "" for name in _EMPTY.findall(block.text)}
    return {**found, **hook_files()}


def _shown() -> list[Block]:
    """Every model, and the other files of the projects that pages show in full."""
    shown = [block for block in blocks("python") if is_model(block)]
    hooks = [block for block in blocks("python") if block.page in projects() and "@hookimpl" in block.text]
    return [*shown, *hooks, *(block for block in blocks("toml") if "[build-system]" in block.text)]


def examples_on_disk() -> dict[str, str]:
    """The text of each file that lies in examples/, without those that no page shows."""
    folders = [path for path in EXAMPLES.iterdir() if path.is_dir() and path.name not in (*PROJECTS, "__pycache__")]
    files = [*EXAMPLES.glob("*.py"), *(path for folder in folders for path in folder.rglob("*") if path.is_file())]
    return {
        path.relative_to(EXAMPLES).as_posix(): path.read_text() for path in files if path.suffix in (".py", ".toml")
    }
