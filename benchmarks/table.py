"""The table: medians of ratios within a round, and whether they count."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from statistics import median

from attrs import frozen

from benchmarks.loads import LOADS, Load
from benchmarks.measure import Measurement, Run, measures
from benchmarks.servers import STARTERS, TITLES, Starter

ROUNDS_THAT_COUNT = 5


def ratios(measurements: list[Measurement], load: str, above: str, below: str) -> list[float]:
    """`above` ÷ `below` in each round that has both. Figures of different rounds are never compared."""
    figures = {(each.server, each.round): each.figure for each in measurements if each.load == load}
    pairs = [(figures.get((above, round_)), figures.get((below, round_))) for round_ in sorted({r for _, r in figures})]
    return [one.per_second / other.per_second for one, other in pairs if one and other]


def rate(measurements: list[Measurement], load: str, server: str) -> float | None:
    """Median of the inferences per second; None without a figure."""
    chosen = [each.figure for each in measurements if (each.load, each.server) == (load, server)]
    return _median([figure.per_second for figure in chosen if figure])


def spread(values: list[float]) -> dict[str, float]:
    """The content of the file for the ratios of several rounds."""
    return {"median": median(values), "least": min(values), "most": max(values), "pairs": len(values)}


@frozen
class Comparison:
    """Servers that are measured side by side, their titles, and the ratios between them."""

    starters: Mapping[str, Starter]
    titles: Mapping[str, str]
    columns: tuple[tuple[str, str], ...]
    objections: Callable[[Run, tuple[Load, ...]], list[str]]
    """Returns the reasons why a run does not count; empty if it does."""

    def summary(self, run: Run, loads: tuple[Load, ...]) -> dict[str, dict[str, object]]:
        """Each load with the rates of each server, round by round, and the ratios (`ours/floor` …) taken of them."""
        return {
            load.name: {"rates": self._rates_by_round(run, load), "ratios": self._spreads(run, load)} for load in loads
        }

    def _rates_by_round(self, run: Run, load: Load) -> dict[str, object]:
        """Inferences per second in each round, None where the run failed; medians of the latencies in µs."""
        found: dict[str, object] = {}
        for server in self.titles:
            figures = [each.figure for each in run.measurements if (each.load, each.server) == (load.name, server)]
            if measured := [figure for figure in figures if figure]:
                latencies = {
                    "p50_us": median(each.p50 for each in measured),
                    "p99_us": median(each.p99 for each in measured),
                }
                found[server] = {"per_second": [each and each.per_second for each in figures], **latencies}
        return found

    def _spreads(self, run: Run, load: Load) -> dict[str, object]:
        found = {"/".join(pair): ratios(run.measurements, load.name, *pair) for pair in self.columns}
        return {pair: spread(values) for pair, values in found.items() if values}

    def fractions_table(self, run: Run, loads: tuple[Load, ...]) -> str:
        """The medians of the ratios, in Markdown."""
        heads = [f"{self.titles[above]} ÷ {self.titles[below]}" for above, below in self.columns]
        rows = [[load.title, *_texts(self._fractions(run, load), "{:.2f}")] for load in loads]
        return markdown(["load", *heads], rows)

    def rates_table(self, run: Run, loads: tuple[Load, ...]) -> str:
        """Inferences per second, medians, in Markdown."""
        rows = [[load.title, *_texts(self._rates(run, load), "{:.0f}")] for load in loads]
        return markdown(["inferences/s", *self.titles.values()], rows)

    def _fractions(self, run: Run, load: Load) -> dict[str, float | None]:
        found = {pair: ratios(run.measurements, load.name, *pair) for pair in self.columns}
        return {"/".join(pair): _median(values) for pair, values in found.items()}

    def _rates(self, run: Run, load: Load) -> dict[str, float | None]:
        return {f"{server} per second": rate(run.measurements, load.name, server) for server in self.titles}


def objections(run: Run, loads: tuple[Load, ...]) -> list[str]:
    """The reasons why this table does not count; empty if it does."""
    found = [f"{TITLES[server]} was skipped: {reason}" for server, reason in run.skipped.items()]
    if missing := [load.title for load in LOADS if load not in loads]:
        found.append(f"left out: {'; '.join(missing)}")
    binaries = {server["sha256"] for server in run.servers.values()}
    if len(binaries) > 1:
        versions = ", ".join(f"{TITLES[name]} {server['triton']}" for name, server in run.servers.items())
        found.append(f"the servers are different binaries: {versions}")
    for load in loads:
        found.extend(_objections_to_row(run, load) if "floor" in run.servers else [])
    return found


def _objections_to_row(run: Run, load: Load) -> list[str]:
    found = too_few_pairs(run, load, "floor", TITLES)
    floor = _median(ratios(run.measurements, load.name, "floor", "python-backend"))
    least = load.floor_over_python_backend
    if floor is not None and floor < least:
        found.append(f"{load.title}: floor ÷ python backend is {floor:.2f}, {least} is needed for a floor")
    return found


def too_few_pairs(run: Run, load: Load, base: str, titles: Mapping[str, str]) -> list[str]:
    """A sentence for each server that has too few pairs with `base`."""
    named = [name for name in run.servers if name != base and measures(load, name)]
    pairs = {name: len(ratios(run.measurements, load.name, name, base)) for name in named}
    return [
        f"{load.title}: {count} pairs of {titles[name]} and {titles[base]}, {ROUNDS_THAT_COUNT} are needed"
        for name, count in pairs.items()
        if count < ROUNDS_THAT_COUNT
    ]


def pairs_with(base: str, titles: Mapping[str, str]) -> Callable[[Run, tuple[Load, ...]], list[str]]:
    """The objections of a comparison whose figures count as soon as each server has enough pairs with `base`."""
    return lambda run, loads: [text for load in loads for text in too_few_pairs(run, load, base, titles)]


def _median(values: list[float]) -> float | None:
    return median(values) if values else None


def _texts(values: Mapping[str, float | None], form: str) -> list[str]:
    return ["–" if value is None else form.format(value) for value in values.values()]


def markdown(head: list[str], rows: list[list[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


WITH_PEERS = Comparison(
    STARTERS,
    TITLES,
    (
        ("ours", "floor"),
        ("copying", "floor"),
        ("python-backend", "floor"),
        ("pytriton", "floor"),
        ("ours", "pytriton"),
        ("copying", "pytriton"),
        ("empty", "floor"),
        ("ours", "python-backend"),
    ),
    objections,
)
