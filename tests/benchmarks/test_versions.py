"""An earlier version is measured beside this checkout's, and each is first in half of the rounds."""

from __future__ import annotations

import sys
import venv
from pathlib import Path

import pytest

from benchmarks import versions
from benchmarks.errors import BenchmarkError
from benchmarks.loads import loads_named
from benchmarks.measure import in_turn
from benchmarks.table import Comparison
from tests.support.measure.benchmark_runs import run_of

LOADS = loads_named(versions.LOADS)
RATES = {"before": 1000.0, "after": 980.0}


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    return versions.comparison(Path(sys.executable))


def test_figures_are_ratios_to_the_earlier_version(comparison: Comparison) -> None:
    assert (
        comparison.fractions_table(run_of(5, RATES, LOADS), LOADS).splitlines()[2] == "| 64 B gRPC, 1 client | 0.98 |"
    )
    assert comparison.objections(run_of(5, RATES, LOADS), LOADS) == []


def test_four_rounds_do_not_count(comparison: Comparison) -> None:
    assert comparison.objections(run_of(4, RATES, LOADS), LOADS)[0] == (
        "64 B gRPC, 1 client: 4 pairs of this checkout and before, 5 are needed"
    )


def test_a_python_without_the_framework_is_refused(tmp_path: Path) -> None:
    venv.create(tmp_path)
    python = tmp_path / "bin" / "python"
    with pytest.raises(BenchmarkError, match=r"is not installed there \(ModuleNotFoundError: "):
        versions.comparison(python)


def test_a_python_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match="nothing: No such file or directory"):
        versions.comparison(tmp_path / "nothing")


def test_every_second_round_has_the_servers_in_reverse_order() -> None:
    servers: dict[str, object] = {"before": 1, "after": 2}
    assert [name for name, _ in in_turn(servers, 1)] == ["before", "after"]  # type: ignore[arg-type]
    assert [name for name, _ in in_turn(servers, 2)] == ["after", "before"]  # type: ignore[arg-type]
