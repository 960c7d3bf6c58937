"""The files of examples/ are what the pages show, and each command of their table works."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest
from click.testing import CliRunner

from pytriton_plugins.cli.commands import COMMANDS
from pytriton_plugins.testing import RunningHost
from pytriton_plugins.testing.host import PROGRAM
from tests.support.docs.blocks import ROOT, blocks
from tests.support.docs.example_files import EXAMPLES, PROJECTS, example_files, examples_on_disk, is_model, name_of
from tests.support.docs.example_projects import hook_modules
from tests.support.docs.example_table import Row, table
from tests.support.docs.examples import Examples

COUNTING = ("seen", "Warmed", "Cached")
"""Models whose answers depend on earlier requests: test_models.py asks them, and no other test."""


ROWS = table()


def rows_of(*command: str) -> list[Row]:
    return [row for row in ROWS if tuple(row.command[: len(command)]) == command]


def test_the_files_are_the_blocks_of_the_pages() -> None:
    """`python docs/generate.py` writes them."""
    assert examples_on_disk() == example_files()


def test_the_table_names_every_example() -> None:
    assert sorted(row.file for row in ROWS) == sorted(
        f"{path.name}/" if path.is_dir() else path.name
        for path in EXAMPLES.iterdir()
        if path.suffix == ".py" or (path / "pyproject.toml").exists()
    )


@pytest.mark.parametrize("row", [row for row in ROWS if row.file.strip("/") not in PROJECTS], ids=lambda row: row.file)
def test_the_table_names_the_page_of_an_example(row: Row) -> None:
    shown = {name for name, text in example_files().items() if text and text in row.page.read_text()}
    assert any(name == row.file or name.startswith(row.file) for name in shown)


def test_every_model_of_the_pages_is_an_example() -> None:
    assert {name_of(block) for block in blocks("python") if is_model(block)} <= examples_on_disk().keys()


def test_every_command_of_the_table_is_run() -> None:
    run = [*rows_of("pytriton-host", "infer"), *rows_of("pytriton-host", "debug"), *rows_of("pytriton-host", "check")]
    hooks = [row for row in ROWS if row.file.strip("/") in hook_modules()]  # test_hook_examples.py
    assert sorted([*run, *(row for row in hooks if row not in run)]) == sorted(ROWS)


ASKED = [
    row
    for row in rows_of("pytriton-host", "infer")
    if row.command[2] not in COUNTING and row.file.strip("/") not in PROJECTS
]


@pytest.mark.parametrize("row", ASKED, ids=lambda row: row.file)
def test_an_example_answers(row: Row, host: RunningHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    command = import_module(COMMANDS["infer"]).command
    result = CliRunner().invoke(command, [*row.command[2:], "--url", host.grpc], catch_exceptions=False)
    assert (result.exit_code, result.output.split()[:1]) == (0, ["output"])


@pytest.mark.parametrize("row", rows_of("pytriton-host", "debug"), ids=lambda row: row.file)
def test_an_example_is_debugged(row: Row, examples: Examples) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *row.command[1:]], cwd=ROOT, input="c\n", capture_output=True, text=True
    )
    assert (done.returncode, done.stdout.split()[:1]) == (0, ["output"]), done.stderr
