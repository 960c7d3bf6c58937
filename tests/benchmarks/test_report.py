"""The files of figures: their form, and the content of `benchmarks/results`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import report

FILES = sorted(report.RESULTS.iterdir())
MAX_LINES = 3_000
MAX_BYTES = 150_000
"""Of the whole folder: a figure needs medians, spreads and pairs, not every sample."""


def test_short_values_are_on_one_line() -> None:
    document = {"window": {"trials": 4}, "loads": [{"name": f"load {number}", "rate": number} for number in range(8)]}
    assert report.text(document).splitlines() == [
        "{",
        ' "window": {"trials": 4},',
        ' "loads": [',
        *(f'  {{"name": "load {number}", "rate": {number}}}{"," if number < 7 else ""}' for number in range(8)),
        " ]",
        "}",
    ]
    assert json.loads(report.text(document)) == document


def test_a_list_of_numbers_is_one_line_however_long() -> None:
    assert report.text({"rates": list(range(100))}).splitlines()[1] == f' "rates": {list(range(100))}'


def test_fractions_have_five_digits_and_integers_all() -> None:
    assert report.text([1 / 3, 12345.678, 123456789, None]) == "[0.33333, 12346.0, 123456789, null]"


def test_a_file_has_the_machine_and_the_checkout(tmp_path: Path) -> None:
    report.write(tmp_path / "new" / "file.json", {"skipped": []})
    document = json.loads((tmp_path / "new" / "file.json").read_text())
    assert list(document) == ["schema", "time", "checkout", "machine", "skipped"]
    assert document["schema"] == report.SCHEMA


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_file_of_figures_is_written_in_this_form(file: Path) -> None:
    document = json.loads(file.read_text())
    assert document["schema"] == report.SCHEMA
    assert file.read_text() == report.text(document) + "\n"


def test_every_file_of_figures_is_quoted() -> None:
    assert report.unquoted(FILES) == []


def test_a_file_is_quoted_by_its_name_with_or_without_the_day(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("`results/2026-11-30-calls.json` and `-soak.json`")
    names = ["2026-11-30-calls.json", "2026-12-01-calls.json", "2026-12-01-soak.json"]
    assert report.unquoted(map(Path, names), readme) == [
        "benchmarks/README.md does not name 2026-12-01-calls.json; quote its figures there, or name the page that does"
    ]


def test_the_folder_of_figures_is_small() -> None:
    assert sum(len(file.read_text().splitlines()) for file in FILES) <= MAX_LINES
    assert sum(file.stat().st_size for file in FILES) <= MAX_BYTES
