"""The content of the file for a long run: what the verdict compares, the extremes, and a few checkpoints."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.soak.holdings import Holding, Sample
from benchmarks.soak.verdict import FIGURES, Ends, ends

CHECKPOINTS = (0.0, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0)
"""Shares of the requests after which the value of each figure is written."""


def summary(samples: list[Sample]) -> dict[str, object]:
    """The numbers of requests at both compared moments and at the checkpoints, and the figures of each process."""
    both = ends(samples)
    chosen = [samples[round(share * (len(samples) - 1))] for share in CHECKPOINTS]
    return {
        "seconds": samples[-1].seconds,
        "compared": [part[len(part) // 2].requests for part in (both.before, both.after)],
        "checkpoints": [each.requests for each in chosen],
        "processes": {name: _process(name, both, samples, chosen) for name in both.names},
    }


def _process(name: str, both: Ends, samples: list[Sample], chosen: list[Sample]) -> dict[str, object]:
    figures = {figure: _figure(name, figure, both, samples, chosen) for figure in FIGURES}
    return {**figures, "threads that changed": both.threads_that_changed(name)}


def _figure(name: str, figure: str, both: Ends, samples: list[Sample], chosen: list[Sample]) -> dict[str, object]:
    """The two medians that the verdict compares, the extremes of all samples, and the value at each checkpoint."""
    change = both.change(name, figure)
    values = [value for value in _values(samples, name, FIGURES[figure]) if value is not None]
    return {
        "before": change.before,
        "after": change.after,
        "least": min(values),
        "most": max(values),
        "at": _values(chosen, name, FIGURES[figure]),
    }


def _values(samples: list[Sample], name: str, value: Callable[[Holding], float]) -> list[float | None]:
    """The value of each sample; None if the process did not run."""
    named = [{each.name: value(each) for each in sample.holdings} for sample in samples]
    return [holdings.get(name) for holdings in named]
