"""The generated pages are what the code gives, byte for byte."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

from pytriton_plugins.hooks import specs
from tests.support.docs.blocks import ROOT


def loaded(path: Path, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_pages_are_up_to_date() -> None:
    """`python docs/generate.py` writes them; in its own process, because click keeps the first help option it made."""
    command = [sys.executable, "-B", "-c", "import generate, json; print(json.dumps(generate.pages()))"]
    done = subprocess.run(command, cwd=ROOT / "docs", check=True, capture_output=True, text=True)
    assert loaded(ROOT / "docs/generate.py", "docs_generate").generated_pages() == json.loads(done.stdout)


def test_the_manifests_are_up_to_date() -> None:
    """`python docs/generate.py` writes them."""
    folder = ROOT / "docs/deploying"
    files = [path for path in folder.rglob("*") if path.is_file() and path.parent != folder]
    written = {str(path.relative_to(folder)): path.read_text() for path in files}
    assert written == loaded(ROOT / "docs/generate.py", "docs_generate").deployments()


def test_the_keywords_of_a_host_are_up_to_date() -> None:
    """`python docs/generate.py` writes them: each setting is one, with the values that the command line takes."""
    generate = loaded(ROOT / "docs/generate.py", "docs_generate")
    assert generate.KEYWORDS.read_text() == generate.keywords_module.keywords_module()


def test_every_type_of_a_hook_is_described() -> None:
    """An author finds the fields of every type of a hook on the page of the values."""
    standard = {"Any", "Iterable", "Mapping", "None", "Path", "Sequence", "Settings", "int", "str", "tuple"}
    standard |= {"click", "Command"}
    hooks = [function for name, function in vars(specs).items() if name.startswith("pytriton_")]
    annotations = " ".join(str(each) for function in hooks for each in function.__annotations__.values())
    page = (ROOT / "docs/reference/values.md").read_text()
    for name in set(re.findall(r"[A-Za-z]\w*", annotations)) - standard:
        assert f"## `{name}`" in page or f"| `{name}` |" in page


def test_a_hook_that_is_added_appears(tmp_path: Path) -> None:
    source = (
        Path(specs.__file__).read_text()
        + '''

# A new family


@hookspec
def pytriton_choose_colour(shades: int, settings: Settings) -> str | None:
    """Before anything is painted: in which colour.

    :param shades: how many there are
    :return: its name
    """
'''
    )
    copy = tmp_path / "copied_specs.py"
    copy.write_text(source)
    sys.modules.pop("copied_specs", None)
    generate = loaded(ROOT / "docs/generate.py", "docs_generate")
    pages = generate.hook_pages.hook_pages(loaded(copy, "copied_specs"), source)
    assert "## `pytriton_choose_colour(shades, settings)`" in pages["hooks-a-new-family.md"]
    assert "| `shades` | `int` | how many there are |" in pages["hooks-a-new-family.md"]
