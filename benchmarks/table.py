"""The table: medians of ratios within a round, and whether they count. Runs in the benchmark process."""

from __future__ import annotations

from statistics import median

from benchmarks.loads import LOADS, Load
from benchmarks.measure import Measurement, Run
from benchmarks.servers import STARTERS, TITLES

ROUNDS_THAT_COUNT = 5
COLUMNS = (("ours", "floor"), ("python-backend", "floor"), ("pytriton", "floor"), ("ours", "pytriton"))


def ratios(measurements: list[Measurement], load: str, above: str, below: str) -> list[float]:
    """`above` ÷ `below` in each round that has both: figures of different rounds are never compared."""
    figures = {(each.server, each.round): each.figure for each in measurements if each.load == load}
    pairs = [(figures.get((above, round_)), figures.get((below, round_))) for round_ in sorted({r for _, r in figures})]
    return [one.per_second / other.per_second for one, other in pairs if one and other]


def rate(measurements: list[Measurement], load: str, server: str) -> float | None:
    """Median of the inferences per second; None if nothing was measured."""
    chosen = [each.figure for each in measurements if (each.load, each.server) == (load, server)]
    return _median([figure.per_second for figure in chosen if figure])


def summary(run: Run, loads: tuple[Load, ...]) -> dict[str, dict[str, float | None]]:
    """Load → the median of each ratio (`ours/floor` …), and of each server's rate."""
    return {load.name: {**_fractions(run, load), **_rates(run, load)} for load in loads}


def _fractions(run: Run, load: Load) -> dict[str, float | None]:
    return {f"{one}/{other}": _median(ratios(run.measurements, load.name, one, other)) for one, other in COLUMNS}


def _rates(run: Run, load: Load) -> dict[str, float | None]:
    return {f"{server} per second": rate(run.measurements, load.name, server) for server in STARTERS}


def objections(run: Run, loads: tuple[Load, ...]) -> list[str]:
    """Why this table does not count; empty if it does."""
    found = [f"{TITLES[server]} was skipped: {reason}" for server, reason in run.skipped.items()]
    if missing := [load.title for load in LOADS if load not in loads]:
        found.append(f"left out: {'; '.join(missing)}")
    binaries = {server["sha256"] for server in run.servers.values()}
    if len(binaries) > 1:
        versions = ", ".join(f"{TITLES[name]} {server['triton']}" for name, server in run.servers.items())
        found.append(f"the servers are not the same binary: {versions}")
    for load in loads:
        found.extend(_objections_to_row(run, load) if "floor" in run.servers else [])
    return found


def _objections_to_row(run: Run, load: Load) -> list[str]:
    found = []
    for server in run.servers:
        pairs = len(ratios(run.measurements, load.name, server, "floor"))
        if server != "floor" and pairs < ROUNDS_THAT_COUNT:
            found.append(f"{load.title}: {pairs} pairs of {TITLES[server]} and floor, {ROUNDS_THAT_COUNT} are needed")
    floor = _median(ratios(run.measurements, load.name, "floor", "python-backend"))
    least = load.floor_over_python_backend
    if floor is not None and floor < least:
        found.append(f"{load.title}: floor ÷ python backend is {floor:.2f}, {least} is needed: the floor is no floor")
    return found


def fractions_table(run: Run, loads: tuple[Load, ...]) -> str:
    """The table of MEASURE, in Markdown."""
    heads = [f"{TITLES[above]} ÷ {TITLES[below]}" for above, below in COLUMNS]
    rows = [
        [_text(_median(ratios(run.measurements, load.name, *column)), "{:.2f}") for column in COLUMNS] for load in loads
    ]
    return _markdown(["load", *heads], [[load.title, *row] for load, row in zip(loads, rows, strict=True)])


def rates_table(run: Run, loads: tuple[Load, ...]) -> str:
    """Inferences per second, medians, in Markdown."""
    rows = [[_text(rate(run.measurements, load.name, server), "{:.0f}") for server in STARTERS] for load in loads]
    heads = [TITLES[server] for server in STARTERS]
    return _markdown(["inferences/s", *heads], [[load.title, *row] for load, row in zip(loads, rows, strict=True)])


def _median(values: list[float]) -> float | None:
    return median(values) if values else None


def _text(value: float | None, form: str) -> str:
    return "–" if value is None else form.format(value)


def _markdown(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
