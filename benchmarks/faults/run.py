"""The rounds of faults and their table."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from attrs import Factory, define, field, frozen

from benchmarks.cache import Cache
from benchmarks.errors import BenchmarkError, NotInstalled
from benchmarks.faults.rows import FIGURES, LIMIT_SECONDS, ROWS, Figure, Seen
from benchmarks.faults.subject import OURS, PYTRITON, subject
from benchmarks.installed import needs_http
from benchmarks.servers import TITLES


@frozen
class Outcome:
    """The result of one server in one round of one fault."""

    row: str
    server: str
    round: int
    seen: Seen
    errors: dict[str, int] = Factory(dict)
    """The errors that clients got, without paths, with their numbers."""

    error: str = ""


@define
class Faults:
    """The rounds: each subjects every server to every fault, with a new start each time."""

    cache: Cache
    folder: Path
    without: frozenset[str]
    rows: list[str] = field(factory=lambda: [*ROWS])
    progress: Callable[[str, int, int], None] = field(default=lambda text, done, total: None)
    outcomes: list[Outcome] = Factory(list)
    skipped: dict[str, str] = Factory(dict)

    def run(self, rounds: int) -> None:
        """Fill `outcomes`; PyTriton is skipped if it is missing."""
        needs_http()
        servers = [name for name in (OURS, PYTRITON) if name not in self.without]
        todo = [(number, row, name) for number in range(1, rounds + 1) for row in self.rows for name in servers]
        for done, (number, row, name) in enumerate(todo):
            self.progress(f"round {number} of {rounds}: {row}, {TITLES[name]}", done, len(todo))
            if name not in self.skipped:
                self._once(number, row, name)

    def _once(self, number: int, row: str, name: str) -> None:
        try:
            with subject(name, self.cache, self.folder / f"{row}-{name}-{number}") as found:
                self.outcomes.append(Outcome(row, name, number, ROWS[row](found), found.errors))
        except NotInstalled as error:
            self.skipped[name] = str(error)
        except BenchmarkError as error:
            self.outcomes.append(Outcome(row, name, number, {}, error=str(error)))


def rows_named(text: str) -> list[str]:
    """The rows of the comma-separated list `text`."""
    if unknown := [name for name in text.split(",") if name not in ROWS]:
        raise BenchmarkError(f"--rows: unknown row {', '.join(unknown)}; choose from {', '.join(ROWS)}")
    return text.split(",")


def faults_table(outcomes: list[Outcome]) -> str:
    """The median and the worst of the rounds, in Markdown."""
    lines = [f"| fault | {TITLES[OURS]} | {TITLES[PYTRITON]} |", "|---|---|---|"]
    for figure in FIGURES:
        cells = [cell(figure, values(outcomes, figure, name)) for name in (OURS, PYTRITON)]
        if any(cells):
            lines.append(f"| {figure.title} | {' | '.join(cells)} |")
    return "\n".join(lines)


def values(outcomes: list[Outcome], figure: Figure, server: str) -> list[float | None]:
    """The value of each round that gave one."""
    chosen = [each for each in outcomes if (each.row, each.server) == (figure.row, server)]
    return [each.seen[figure.key] for each in chosen if figure.key in each.seen]


def cell(figure: Figure, found: list[float | None]) -> str:
    """Median and worst, and how often it never happened; of exit codes, each that occurred."""
    numbers = [each for each in found if each is not None]
    if figure.unit == "code":
        return ", ".join(dict.fromkeys("still running" if each is None else f"{each:.0f}" for each in found))
    if not numbers:
        return f"never within {LIMIT_SECONDS:g} s" if found else ""
    worst = min(numbers) if figure.unit == "%" and max(numbers) < 100 else max(numbers)
    text = amount(statistics.median(numbers), figure.unit)
    if amount(worst, figure.unit) != text:
        text += f", worst {amount(worst, figure.unit)}"
    never = len(found) - len(numbers)
    return f"{text}; never in {never} of {len(found)}" if never else text


def amount(number: float, unit: str) -> str:
    """`number` as a cell shows it."""
    if unit == "B":
        return "0" if number == 0 else f"{number / 1e6:.1f} MB" if number >= 1e5 else f"{number / 1e3:.1f} kB"
    return f"{number:.2f} s" if unit == "s" else f"{number:.0f} %" if unit == "%" else f"{number:g}"


def facts(faults: Faults) -> dict[str, object]:
    """The content of the file for a run."""
    return {
        "limit_seconds": LIMIT_SECONDS,
        "skipped": faults.skipped,
        "failed": [_failure(each) for each in faults.outcomes if each.error],
        "rows": {
            row: _summaries(faults.outcomes, row) for row in ROWS if any(each.row == row for each in faults.outcomes)
        },
    }


def _failure(outcome: Outcome) -> dict[str, object]:
    return {"row": outcome.row, "server": outcome.server, "round": outcome.round, "error": outcome.error}


def _summaries(outcomes: list[Outcome], row: str) -> dict[str, object]:
    """For each server: the figures in every round (None: never), and the errors of all rounds together."""
    found: dict[str, object] = {}
    for server in dict.fromkeys(each.server for each in outcomes if each.row == row):
        errors: Counter[str] = Counter()
        for each in outcomes:
            errors.update(each.errors if (each.row, each.server) == (row, server) else {})
        figures = {figure.key: values(outcomes, figure, server) for figure in FIGURES if figure.row == row}
        found[server] = {"figures": figures, "errors": dict(errors.most_common())}
    return found
