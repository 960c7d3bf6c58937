"""Writes the generated pages of docs/reference/, docs/deploying/, the examples of the pages and the keywords of `Host`.

Tests compare all of them.

`python docs/generate.py`, after a change of a setting, a command, a hook, a value or an example on a page.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))  # a test loads this file by its path
sys.path.append(str(Path(__file__).parents[1]))  # for tests.support

from generator import NOTE, hook_pages, keywords_module, option_pages, value_page

FOLDER = Path(__file__).parent / "reference"
DEPLOYING = Path(__file__).parent / "deploying"
KEYWORDS = Path(__file__).parents[1] / "pytriton_plugins/script/keywords.py"


def pages() -> dict[str, str]:
    """The text of each page, by file name."""
    return {
        **hook_pages.all_hook_pages(),
        "values.md": value_page.values_page(),
        "settings.md": option_pages.settings_page(),
        "command-line.md": option_pages.command_line_page(),
    }


def deployments() -> dict[str, str]:
    """What `pytriton-host manifests` makes of docs/deploying/pytriton-host.toml: the text of each file, by its path."""
    command = [
        sys.executable,
        "-m",
        "pytriton_plugins",
        "manifests",
        "--image",
        "registry.example/models:1.0",
        "--json",
    ]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTRITON_HOST_")}
    texts: dict[str, str] = {}
    for form in ("kubernetes", "helm", "kserve"):
        done = subprocess.run(
            [*command, "--format", form], cwd=DEPLOYING, env=environment, check=True, capture_output=True, text=True
        )
        texts |= {f"{form}/{name}": text for name, text in json.loads(done.stdout)["files"].items()}
    from pytriton_plugins.deploy.manifests.yaml_text import dump
    from pytriton_plugins.deploy.scaling import adapter_rule

    # Values of the chart of Prometheus' adapter.
    return {**texts, "prometheus-adapter/values.yaml": dump({"rules": {"custom": [adapter_rule()]}})}


def generated_pages() -> dict[str, str]:
    """The generated pages that lie in docs/reference/, by file name."""
    texts = {path.name: path.read_text() for path in FOLDER.glob("*.md")}
    return {name: text for name, text in texts.items() if text.startswith(NOTE.partition("{")[0])}


def main() -> int:
    """Write the pages, the manifests and the examples, and delete those that are not generated any more."""
    FOLDER.mkdir(exist_ok=True)
    wanted = pages()
    for name in generated_pages():
        if name not in wanted:
            (FOLDER / name).unlink()
    for name, text in wanted.items():
        (FOLDER / name).write_text(text)
    made = deployments()
    for path in DEPLOYING.rglob("*"):
        if path.is_file() and path.parent != DEPLOYING and str(path.relative_to(DEPLOYING)) not in made:
            path.unlink()
    for name, text in made.items():
        (DEPLOYING / name).parent.mkdir(parents=True, exist_ok=True)
        (DEPLOYING / name).write_text(text)
    KEYWORDS.write_text(keywords_module.keywords_module())
    _write_examples()
    return 0


def _write_examples() -> None:
    """Write each example of a page into examples/ as a file that can be served, or a project that can be installed."""
    from tests.support.docs.example_files import EXAMPLES, example_files, examples_on_disk

    wanted = example_files()
    for name in examples_on_disk().keys() - wanted.keys():
        (EXAMPLES / name).unlink()
    for name, text in wanted.items():
        (EXAMPLES / name).parent.mkdir(parents=True, exist_ok=True)
        (EXAMPLES / name).write_text(text)


if __name__ == "__main__":
    sys.exit(main())
