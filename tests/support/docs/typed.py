"""The example programs of the pages in one folder: ``python -m tests.support.docs.typed FOLDER`` for pyright."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.support.docs.blocks import ROOT, Block, blocks

ANNOTATED = ("call-a-model",)
"""The pages whose programs pass as they stand; the models of the others have no annotations."""

NOT_ANNOTATED = "# mypy: allow-untyped-defs, allow-untyped-calls, allow-incomplete-defs\n"
PYRIGHT = {"typeCheckingMode": "standard", "pythonVersion": "3.10"}


def write_examples(folder: Path) -> list[Path]:
    """Write the programs into ``folder``, those of `blocks` and of examples/; returns their files."""
    for file in (ROOT / "examples").glob("*.py"):
        (folder / file.name).write_text(NOT_ANNOTATED + file.read_text())
    for name, text in _programs():
        (folder / name).write_text(text)
    return sorted(folder.glob("*.py"))


def _programs() -> Iterator[tuple[str, str]]:
    cells: dict[str, list[str]] = {}
    for block in blocks("python"):
        if block.name.startswith("cell-"):
            cells.setdefault(block.page, []).append(block.text)
        elif _is_checked(name := _name(block), block.text):
            yield name, block.text if block.page in ANNOTATED else NOT_ANNOTATED + block.text
    for page, texts in cells.items():
        yield f"{page.replace('-', '_')}.py", NOT_ANNOTATED + "\n".join(texts)


def _name(block: Block) -> str:
    """The file of a block; the first page's model has no name, and its script imports it as ``model``."""
    return "model.py" if block.page == "README" and "@infer_func" in block.text and not block.name else block.name


def _is_checked(name: str, text: str) -> bool:
    """Whether a block is a whole program; tritonclient has no types, and tests leave results open that they compare."""
    is_program = name.endswith(".py") and "/" not in name and not name.startswith("test_")
    return is_program and "tritonclient" not in text


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    write_examples(target)
    (target / "pyrightconfig.json").write_text(json.dumps(PYRIGHT))
