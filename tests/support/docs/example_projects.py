"""The projects of examples/ that pages show: in full, or as a hook module, which is packaged as in the tutorial."""

from __future__ import annotations

import re
from functools import cache

from tests.support.docs.blocks import Block, blocks
from tests.support.docs.examples import kind

_NAME = re.compile(r'^name = "(.+)"$', re.MULTILINE)
_HOOKS = re.compile(r'^(\[project\.entry-points\."pytriton_plugins\.hooks"\]\n)(.+)$', re.MULTILINE)


@cache
def projects() -> dict[str, str]:
    """The name of the distribution whose project a page shows in full, by page."""
    return {block.page: _NAME.findall(block.text)[0] for block in blocks("toml") if "[build-system]" in block.text}


def hook_modules() -> dict[str, Block]:
    """The hook modules of the other pages, by the name of the distribution that each becomes."""
    shown = [block for block in blocks("python") if kind(block) == "hooks" and block.page not in projects()]
    return {block.name.removesuffix(".py").replace("_", "-"): block for block in shown}


def hook_files() -> dict[str, str]:
    """The text of each file of their projects, by its path below examples/."""
    found = {}
    for name, block in hook_modules().items():
        found[f"{name}/{block.name}"] = block.text
        found[f"{name}/pyproject.toml"] = _packaged(name, block.name.removesuffix(".py"))
        found |= {f"{name}/{file.name}": file.text for file in blocks("toml") if f"[plugins.{name}]" in file.text}
    return found


def _packaged(name: str, module: str) -> str:
    """The `pyproject.toml` of the tutorial about hooks, for another distribution."""
    (text,) = [block.text for block in blocks("toml") if _HOOKS.search(block.text)]
    return _HOOKS.sub(rf'\1{name} = "{module}"', _NAME.sub(f'name = "{name}"', text, count=1))
