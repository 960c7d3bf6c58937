"""How the package is laid out, in figures with a limit each; ``python -m tests.support.layout`` prints them.

Run it from the checkout's root. What a figure counts stands in the docstrings of `layout_measures.py`; ``--details``
lists it. The exit code is 1 when a limit is exceeded, 2 when a name in the tables of that file is out of date.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.support.measure import layout_measures as measures
from tests.support.measure.layout_measures import Found, StaleName
from tests.support.measure.source_tree import SourceTree

PACKAGE = Path(__file__).parents[2] / "pytriton_plugins"


class Measure(NamedTuple):
    """One line of the table: ``today`` is the figure of commit 0cdbd90, ``wanted`` the most that there may be."""

    what: str
    today: int
    wanted: int
    look: Callable[[SourceTree], Found]


MEASURES = (
    Measure("modules in one folder, at most", 65, 20, measures.largest_folder),
    Measure("loose modules in the root of the package", 23, 5, measures.loose_modules),
    Measure("import circles, type-checking imports counted", 5, 0, measures.import_circles),
    Measure("depth of the run-time import graph", 25, 14, measures.import_depth),
    Measure("callbacks handed to constructors", 40, 12, measures.constructor_callbacks),
    Measure("places that import, record, filter, explain a plugin", 4, 1, measures.import_procedures),
    Measure("places that find two plugins with one name", 4, 1, measures.conflict_searches),
    Measure("modules that handle the configuration", 32, 20, measures.configuration_path),
)


class Row(NamedTuple):
    """A measure with what was found."""

    what: str
    today: int
    now: int
    wanted: int
    ok: bool
    details: list[str]


def rows(package: Path = PACKAGE) -> list[Row]:
    """All measures of one package."""
    tree = SourceTree(package)
    return [_row(measure, measure.look(tree)) for measure in MEASURES]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.layout", description="Measure the package's layout.")
    parser.add_argument("--json", action="store_true", help="Print JSON, with details.")
    parser.add_argument("--details", action="store_true", help="List what was counted.")
    options = parser.parse_args(arguments)
    try:
        found = rows()
    except StaleName as error:
        parser.error(str(error))
    if options.json:
        print(json.dumps([row._asdict() for row in found], indent=2))
    else:
        print("\n".join(_table(found) + (_details(found) if options.details else [])))
    return 0 if all(row.ok for row in found) else 1


def _row(measure: Measure, found: Found) -> Row:
    what, today, wanted, _ = measure
    return Row(what, today, found.figure, wanted, found.figure <= wanted, found.details)


def _table(found: Sequence[Row]) -> list[str]:
    width = max(len(row.what) for row in found)
    lines = [f"{row.what:{width}}  {row.today:5}  {row.now:3}  {row.wanted:6}  {_verdict(row)}" for row in found]
    return [f"{'what':{width}}  today  now  wanted  ok", *lines]


def _verdict(row: Row) -> str:
    return "yes" if row.ok else "NO"


def _details(found: Sequence[Row]) -> list[str]:
    return [line for row in found for line in ("", f"{row.what}: {row.now}", *(f"  {each}" for each in row.details))]


if __name__ == "__main__":
    sys.exit(main())
