"""The result of a study: tables, limits, and what its file has."""

from __future__ import annotations

from statistics import median

from benchmarks.calls.rows import ROWS, TITLES, Row
from benchmarks.calls.study import Study, Timing, server_of
from benchmarks.table import ROUNDS_THAT_COUNT, markdown, spread


def ratios(timings: list[Timing], row: str, above: str, below: str) -> list[float]:
    """The time of `above` ÷ the time of `below` in each round that has both."""
    times = {(each.way, each.round): each.time for each in timings if each.row == row}
    pairs = [(times.get((above, round_)), times.get((below, round_))) for round_ in sorted({r for _, r in times})]
    return [one / other for one, other in pairs if one and other]


def ratios_table(study: Study) -> str:
    """The ratios of each row with their limits, in Markdown."""
    rows = [[row.title, _pair(*pair), *_ratio(study, row, *pair)] for row in study.rows for pair in row.pairs]
    return markdown(["row", "times", "ratio", "limit"], rows)


def _pair(above: str, below: str) -> str:
    return f"{TITLES[above]} ÷ {TITLES[below]}"


def _ratio(study: Study, row: Row, above: str, below: str) -> list[str]:
    found = ratios(study.timings, row.name, above, below)
    limit = row.limits.get(below) if above == row.ours else None
    shown = f"{median(found):.2f} ({min(found):.2f} to {max(found):.2f})" if found else "–"
    return [shown, "–" if limit is None else f"{limit:.2f}"]


def times_table(study: Study) -> str:
    """Medians of the latencies in microseconds, in Markdown."""
    rows = [[row.title, TITLES[way], *_latencies(study, row, way)] for row in study.rows for way in row.ways]
    return markdown(["row", "way", "p50 µs", "p99 µs"], rows)


def _latencies(study: Study, row: Row, way: str) -> list[str]:
    chosen = [each for each in study.timings if (each.row, each.way) == (row.name, way)]
    columns = ([each.p50 for each in chosen if each.p50], [each.p99 for each in chosen if each.p99])
    return [f"{median(column):.0f}" if column else "–" for column in columns]


def report(study: Study) -> str:
    """All that is printed: the tables, the limits, and whether the figures count."""
    unmet = [f"does not count: {each}" for each in objections(study)] or ["these figures count"]
    failed = [f"failed: {each}" for each in _failures(study)]
    limits = [text for text, _ in verdicts(study)]
    return "\n".join([ratios_table(study), "", times_table(study), "", *failed, *limits, *unmet])


def limits_not_met(study: Study) -> list[str]:
    """A sentence for each limit that is not met, and for each without a figure."""
    missing = sum(len(row.limits) for row in study.rows) - len(verdicts(study))
    return [text for text, met in verdicts(study) if not met] + [f"limits without a figure: {missing}"] * bool(missing)


def verdicts(study: Study) -> list[tuple[str, bool]]:
    """A sentence for each limit, and whether it is met."""
    found = []
    for row in study.rows:
        for way, limit in row.limits.items():
            if values := ratios(study.timings, row.name, row.ours, way):
                met = median(values) <= limit
                text = f"{row.title}: {_pair(row.ours, way)} is {median(values):.2f}, limit {limit:.2f}"
                found.append((f"{text}: {'met' if met else 'not met'}", met))
    return found


def objections(study: Study) -> list[str]:
    """The reasons why these figures do not count; empty if they do."""
    found = [f"{name} was skipped: {reason}" for name, reason in study.skipped.items()]
    if len({server["sha256"] for server in study.servers.values()}) > 1:
        found.append("the servers are different binaries")
    if missing := [row.title for row in ROWS if row not in study.rows]:
        found.append(f"left out: {'; '.join(missing)}")
    for row in study.rows:
        for above, below in row.pairs:
            pairs = len(ratios(study.timings, row.name, above, below))
            if pairs < ROUNDS_THAT_COUNT and server_of(below) not in study.skipped:
                text = f"{row.title}: {pairs} pairs of {TITLES[above]} and {TITLES[below]}"
                found.append(f"{text}, {ROUNDS_THAT_COUNT} are needed")
    return found


def facts(study: Study) -> dict[str, object]:
    """The content of the file."""
    return {
        "servers": study.servers,
        "skipped": sorted(study.skipped),
        "objections": objections(study),
        "limits": [text for text, _ in verdicts(study)],
        "failed": _failures(study),
        "rows": {row.name: _facts_of_row(study, row) for row in study.rows},
    }


def _failures(study: Study) -> list[str]:
    return [f"round {each.round}, {each.row}, {each.way}: {each.error}" for each in study.timings if each.error]


def _facts_of_row(study: Study, row: Row) -> dict[str, object]:
    found = {f"{above}/{below}": ratios(study.timings, row.name, above, below) for above, below in row.pairs}
    return {
        "times": {way: _times(study, row, way) for way in row.ways},
        "ratios": {pair: spread(values) for pair, values in found.items() if values},
    }


def _times(study: Study, row: Row, way: str) -> dict[str, object]:
    chosen = [each for each in study.timings if (each.row, each.way) == (row.name, way)]
    latencies = {f"{name}_us": [getattr(each, name) for each in chosen] for name in ("p50", "p99")}
    medians = {name: median([v for v in values if v]) for name, values in latencies.items() if any(values)}
    return {"us": [each.time for each in chosen], **medians}
